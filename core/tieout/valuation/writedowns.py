"""Write-downs and manual revaluation: REV-01 to REV-06.

Under IFRS a write-down is an allowance of the item; it leaves pro rata with every unit that leaves, whatever the method,
and units that come back do not bring it back. Under US GAAP it is a new cost basis of each layer. What is approved is
the net realisable value per unit; amounts follow from the units that are held at that place in the order, at every
replay anew (IAS 2.28-33, ASC 330-10-35-1B and 35-14, ASC 270-10-45-6).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from tieout.model.money import allocate, round_fraction
from tieout.model.quantity import SCALE
from tieout.model.roles import CONTROL_ROLES
from tieout.valuation.records import BY_AMOUNT, TO_COST, TO_NRV, Layer, Move, Pool

if TYPE_CHECKING:
    from tieout.valuation.step import Step

ALLOWANCE: Final = "allowance"  # what units held are written down by (IFRS)
INTERIM: Final = "interim"  # [fiscal year, loss of this year that may still be taken back] (US GAAP)
_WAITING: Final = frozenset({"shipped_not_invoiced", "inventory_transit_out"})
_OURS: Final = frozenset(CONTROL_ROLES) - _WAITING


def written_down(step: Step) -> None:
    """REV-02 (IFRS): the allowance grows to what carrying value exceeds net realisable value by; never shrinks here.
    REV-05 (US GAAP): the loss is taken out of the layers, by each one's own excess."""
    if step.rules.policy.framework == "ifrs":
        excess, kept = _excess(step), _share_of(step, ALLOWANCE)
        if excess > kept:
            step.state.set_aside.setdefault(ALLOWANCE, [0, 0])[1] += excess - kept
            step.flow("REV-02", "write_down", "inventory_allowance", excess - kept)
        return
    _refuse_method(step)
    loss = _excess(step)
    if loss <= 0:
        return
    layers = _layers(step)
    each = _nrv(step)
    weights = [max(layer.value - round_fraction(each * layer.quantity), 0) for _, layer in layers]
    _revalue(step, layers, [-part for part in allocate(loss, weights)], "REV-05", "write_down", TO_NRV)
    year = step.valuer.fiscal_year(step.valuer.book.day(step.line.at))
    kept_now = step.state.set_aside.get(INTERIM)
    before = kept_now[1] if kept_now is not None and kept_now[0] == year else 0
    step.state.set_aside[INTERIM] = [year, before + loss]


def recovered(step: Step) -> None:
    """REV-03 (IFRS): up to what was written down and still lies with units held. REV-06 (US GAAP): only a loss of the same
    fiscal year, up to what of it still lies with units held; afterwards there is no recovery."""
    if step.rules.policy.framework == "ifrs":
        excess, kept = _excess(step), _share_of(step, ALLOWANCE)
        back = kept - max(excess, 0)
        if back > 0:
            step.state.set_aside[ALLOWANCE][1] -= back
            _tidy(step, ALLOWANCE)
            step.flow("REV-03", "inventory_allowance", "write_down_reversal", back)
        return
    _refuse_method(step)
    year = step.valuer.fiscal_year(step.valuer.book.day(step.line.at))
    interim = step.state.set_aside.get(INTERIM)
    back = min(-_excess(step), _share_of(step, INTERIM))
    if interim is None or interim[0] != year:
        step.refuse(
            "TO4018",
            f"{step.state.item} was not written down in fiscal year {year}: its new cost basis stands (ASC 330-10-35-14)",
            "withdraw the recovery",
        )
    if back > 0:
        layers = _layers(step)
        interim[1] -= back
        _revalue(step, layers, allocate(back, [layer.quantity for _, layer in layers]), "REV-06", "write_down")


def revalued(step: Step) -> None:
    """REV-01: an approved change of value, or a new unit cost; spread over the layers by quantity."""
    line, state = step.line, step.state
    pools = [
        pool
        for pool in state.held(step.role)
        if not pool.key[3]
        and (not step.rules.by_location or line.location in ("", pool.key[1]))
        and line.lot in ("", pool.key[2])
    ]
    if any(pool.fixed for pool in pools):
        step.refuse("TO4018", f"{state.item} is at standard cost", "enter cost.standard_changed")
    layers = [(pool, layer) for pool in pools for layer in _of(step, pool)]
    held, worth = sum(layer.quantity for _, layer in layers), sum(layer.value for _, layer in layers)
    unit = (line.extra or {}).get("unit_price")
    if unit is None and line.amount is None:
        step.refuse("TO4009", "a revaluation needs an amount or a unit cost", "complete the line")
    change = line.amount or 0
    if unit is not None:
        change = round_fraction(Fraction(unit) * step.valuer.scale * held / SCALE) - worth
    if not layers:
        step.refuse(
            "TO4007", f"{state.item}: nothing is held that could be revalued", "correct the item or date", change
        )
    parts = allocate(change, [layer.quantity for _, layer in layers])
    if any(layer.value + part < 0 for (_, layer), part in zip(layers, parts, strict=True)):
        step.refuse("TO4008", f"{state.item}: the units would be worth less than nothing", "correct the amount", change)
    _revalue(step, layers, parts, "REV-01", "inventory_revaluation", BY_AMOUNT if unit is None else TO_COST)


def release(step: Step, q: int, debit: str) -> int:
    """REV-04: `q` units leave for role `debit`; their share of the allowance leaves with them. Returns it."""
    aside = step.state.set_aside
    if debit in _OURS or (ALLOWANCE not in aside and INTERIM not in aside):
        return 0
    held = sum(pool.quantity for pool in step.state.pools if pool.quantity > 0)
    if held <= 0:
        return 0
    interim = aside.get(INTERIM)
    if interim is not None:
        interim[1] -= interim[1] if q >= held else step.share(interim[1], q, held)
        _tidy(step, INTERIM)
    kept = aside.get(ALLOWANCE)
    if kept is None:
        return 0
    gone = kept[1] if q >= held else step.share(kept[1], q, held)
    kept[1] -= gone
    _tidy(step, ALLOWANCE)
    if gone:
        step.flow("REV-04", "inventory_allowance", "cogs" if debit in _WAITING else debit, gone)
    return gone


def restore(step: Step, move: Move, q: int) -> None:
    """Units that go back undelivered (R1e) take their share of the allowance back with them."""
    back = step.share(move.released, q, move.quantity)
    if back:
        move.released -= back
        step.state.set_aside.setdefault(ALLOWANCE, [0, 0])[1] += back
        step.flow("REV-04", "cogs" if move.debit in _WAITING else move.debit, "inventory_allowance", back)


def hand_over(step: Step, other: Step, q: int, held: int) -> None:
    """Units become another item (ADJ-10): the allowance goes along."""
    kept = step.state.set_aside.get(ALLOWANCE)
    if kept is None or held <= 0:
        return
    part = kept[1] if q >= held else step.share(kept[1], q, held)
    kept[1] -= part
    _tidy(step, ALLOWANCE)
    other.state.set_aside.setdefault(ALLOWANCE, [0, 0])[1] += part
    flow = step.flow("ADJ-10", "inventory_allowance", "inventory_allowance", part)
    flow.item, flow.credit_item = step.state.item, other.state.item


def _tidy(step: Step, name: str) -> None:
    if not step.state.set_aside[name][1]:
        del step.state.set_aside[name]


def _nrv(step: Step) -> Fraction:
    text = (step.line.extra or {}).get("nrv")
    if text is None:
        step.refuse("TO4009", "a write-down needs the net realisable value per unit", "complete the line")
    return Fraction(str(text)) * Fraction(int(step.valuer.scale), SCALE)


def _scope(step: Step) -> tuple[int, int, int]:
    """(units assessed, units held, their value): the line's quantity, what its location holds, or everything."""
    line, state = step.line, step.state
    held = sum(pool.quantity for pool in state.pools if pool.quantity > 0)
    worth = sum(pool.value for pool in state.pools if pool.quantity > 0)
    q = held
    if line.quantity:
        q = line.quantity
    elif line.location:
        q = state.on_hand.get(line.location, 0)
    return max(0, min(q, held)), held, worth


def _excess(step: Step) -> int:
    """Carrying value above net realisable value of the units assessed; negative where it is below."""
    q, held, worth = _scope(step)
    if not held:
        return 0
    return step.share(worth, q, held) - round_fraction(_nrv(step) * q)


def _share_of(step: Step, name: str) -> int:
    kept = step.state.set_aside.get(name)
    q, held, _ = _scope(step)
    if kept is None or not held:
        return 0
    return kept[1] if q == held else step.share(kept[1], q, held)


def _refuse_method(step: Step) -> None:
    if step.rules.fixed:
        step.refuse(
            "TO4018", f"{step.state.item} is at standard cost: its value is quantity times standard",
            "enter cost.standard_changed with the lower cost",
        )  # fmt: skip
    if step.rules.method == "lifo":
        step.refuse(
            "TO4018", "LIFO is measured at the lower of cost or market, not at net realisable value (ASC 330-10-35-1C)",
            "enter the approved market value as cost.revalued",
        )  # fmt: skip


def _of(step: Step, pool: Pool) -> list[Layer]:
    return [step.state.layers[n] for n in pool.queue[pool.head :] if step.state.layers[n].quantity > 0]


def _layers(step: Step) -> list[tuple[Pool, Layer]]:
    return [(pool, layer) for pool in step.state.pools for layer in _of(step, pool)]


def _revalue(
    step: Step, layers: list[tuple[Pool, Layer]], parts: list[int], row: str, against: str, kind: int = BY_AMOUNT
) -> None:
    state, line = step.state, step.line
    by_pool: dict[tuple[str, str, str, str], int] = {}
    moves: dict[tuple[str, str, str, str], int] = {}
    for (pool, layer), part in zip(layers, parts, strict=True):
        if not part:
            continue
        if pool.key not in moves:
            moves[pool.key] = state.add_move(Move(line, pool.key[0], against, pool.key[1], "", 0, 0))
        state.revalue(layer, part, moves[pool.key], kind)
        state.move(moves[pool.key]).value += part
        by_pool[pool.key] = by_pool.get(pool.key, 0) + part
    for key, change in by_pool.items():
        if change > 0:
            step.flow(row, key[0], against, change, to=key[1])
        elif change < 0:
            step.flow(row, against, key[0], -change, at=key[1])
