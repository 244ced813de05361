"""Kits: BND-04 (assembled), BND-06 (taken apart), BND-07 (a part missing or broken). BND-05, a kit sold, is an issue.

What components hand to a kit follows every later change of their cost. Taken apart, a kit goes to `assembly_variance`
and its parts come back from it: at what the assembly consumed when that one is named, else at current cost. Under
`disassembly_value = allocate_all` the kit's own value is spread over the parts instead, and there is no variance.
"""

from __future__ import annotations

from typing import TypeAlias

from tieout.errors import Refused
from tieout.model.quantity import SCALE
from tieout.valuation.documents import arrive, charge, document, draw, hand_over, issue, own, pass_on, settle
from tieout.valuation.records import Derived, Move, Pool
from tieout.valuation.step import Step

VARIANCE = "assembly_variance"
GONE = ("missing", "broken")

Worth: TypeAlias = tuple[int, Derived | None, int]  # value, what it was derived from, the issue it takes back


def _parts(steps: list[Step], kinds: tuple[str, ...]) -> list[Step]:
    return [step for step in steps if (step.line.extra or {}).get("part") in kinds and not step.line.owner]


def _kit(steps: list[Step]) -> Step:
    kits = _parts(steps, ("output",))
    if len(kits) != 1:
        steps[0].refuse(
            "TO4009",
            f"{steps[0].line.type} names {len(kits)} kits",
            "give exactly one line part = output, and one part = component for each thing it is made of",
        )
    for step in steps:
        step.need_quantity()
    return kits[0]


def _check(steps: list[Step]) -> None:
    """What would refuse any of the issues, before the first of them moves."""
    wanted: dict[tuple[str, tuple[str, str, str, str]], int] = {}
    for step in steps:
        pool = step.home()
        key = (step.state.item, pool.key)
        wanted[key] = wanted.get(key, 0) + step.line.quantity
        if pool.fixed:
            step.need_standard()
        elif step.rules.block:
            step.check_stock(pool, wanted[key])


def _assemble(steps: list[Step]) -> None:
    kit = _kit(steps)
    components = _parts(steps, ("component",))
    if not components:
        kit.refuse("TO4009", "the assembly names no component", "give each component a line part = component")
    _check(components)
    pool = kit.home()
    if pool.fixed:
        kit.need_standard()
    head = next((step for step in steps if step.line.head), kit)
    labour, overhead = conversion(kit, head)
    total, issued = 0, []
    for step in components:
        n, value = issue(step, step.home(), step.line.quantity, "BND-04", kit, pool.key[0])
        total += value
        issued.append((step, n))
    for role, amount in (("labour_applied", labour), ("overhead_applied", overhead)):
        if amount:
            kit.flow("BND-04", pool.key[0], role, amount, to=kit.line.location)
    op = arrive(kit, pool, kit.line.quantity, total + labour + overhead, "BND-04", pool.key[0], VARIANCE)
    _units(kit, "BND-04", pool.key[0], kit.line.quantity - sum(step.line.quantity for step in components))
    for name, amount in (("labour", labour), ("overhead", overhead)):
        if amount:
            kit.state.added.setdefault(op, []).append((name, amount))
    for step, n in issued:
        hand_over(step, n, kit, op)
    settle(kit, pool, op)


def _units(kit: Step, row: str, role: str, missing: int) -> None:
    """A pair moves as many units out as in, but a kit is not as many units as its parts. What is `missing` on the kit's side
    is told without value, against the variance."""
    if missing > 0:
        kit.flow(row, role, VARIANCE, 0, missing, to=kit.line.location)
    elif missing < 0:
        kit.flow(row, VARIANCE, role, 0, -missing, at=kit.line.location)


def conversion(kit: Step, head: Step) -> tuple[int, int]:
    """Labour and overhead applied: what the event states, else the kit's routing on the day, else none."""
    labour, overhead = charge(head, "labour_applied", "labour"), charge(head, "overhead_applied", "overhead")
    routing = kit.valuer.facts.routing(kit.line.item, kit.valuer.book.day(kit.line.at))
    if routing is not None and labour is None:
        labour = kit.exact(routing.labour_hours * routing.labour_rate * kit.line.quantity / SCALE)
    if routing is not None and overhead is None:
        hours = routing.labour_hours if routing.overhead_hours is None else routing.overhead_hours
        overhead = kit.exact(hours * routing.overhead_rate * kit.line.quantity / SCALE)
    return labour or 0, overhead or 0


def _take_apart(steps: list[Step]) -> None:
    kit = _kit(steps)
    parts = _parts(steps, ("component", *GONE))
    if not parts:
        kit.refuse("TO4009", "the disassembly names no component", "give each component a line of its own")
    _check([kit])
    pool = kit.home()
    made = [n for n in kit.find(("kit.assembled",)) if kit.state.move(n).fed]
    if kit.line.ref and not made:
        kit.refuse("TO4013", "the assembly it names is not known", "land the assembly, or leave the reference out")
    back: dict[tuple[str, int], int] = {}
    worth = [_worth(step, kit, made, pool, back) for step in parts]
    first = -1
    if made and not pool.joins:
        op = kit.state.move(made[0]).fed[0]
        first = kit.state.o_layer[op - kit.state.base] if op >= kit.state.base else -1
    if kit.rules.policy.disassembly_value == "allocate_all":
        _allocate(kit, pool, first, parts, [value for value, _, _ in worth])
        return
    kit.leave(pool, kit.line.quantity, "BND-06", VARIANCE, kit.line.location, first=first)
    for step, (value, derived, source) in zip(parts, worth, strict=True):
        if _gone(step):
            back_in = step.state.add_move(Move(step.line, "damage_loss", VARIANCE, "", "", step.line.quantity, value))
            step.flow("BND-07", "damage_loss", VARIANCE, value, step.line.quantity)
            op = -1
        else:
            home = step.home()
            back_in = step.enter(
                home,
                step.line.quantity,
                value,
                "BND-06",
                VARIANCE,
                step.line.location,
                variance=VARIANCE,
                derived=None if source >= 0 else derived,
            )
            op = step.state.move(back_in).fed[0]
        if source >= 0:
            consumed = step.state.move(source)
            consumed.returned += step.line.quantity
            consumed.returned_value += value
            consumed.add_return(op, step.line.quantity, back_in, value)


def _gone(step: Step) -> bool:
    return (step.line.extra or {}).get("part") in GONE


def _worth(step: Step, kit: Step, made: list[int], pool: Pool, back: dict[tuple[str, int], int]) -> Worth:
    """What a part is worth: its share of what the named assembly consumed, else its current cost; a pool that never had
    one: its share in the assemblies the kits came from."""
    q = step.line.quantity
    if made:
        for event in dict.fromkeys(kit.state.move(n).line.event_id for n in made):
            for n in _consumed(step, event):
                move = step.state.move(n)
                done = move.returned + back.get((step.state.item, n), 0)
                if q <= move.quantity - done:
                    back[step.state.item, n] = back.get((step.state.item, n), 0) + q
                    upto = step.share(move.value, done + q, move.quantity)
                    return upto - step.share(move.value, done, move.quantity), None, n
        held = "more of it than the assembly it names consumed"
        step.refuse("TO4007", f"{step.state.item} comes back, {held}", "correct the quantity or the reference")
    home = step.home()
    try:
        return (*step.current_cost(home, q), -1)
    except Refused:
        for layer in (kit.state.layers[n] for n in pool.queue[pool.head :]):
            for n in _consumed(step, layer.event):
                move = step.state.move(n)
                return step.share(move.value, q, move.quantity), None, -1
        raise


def _consumed(step: Step, event: str) -> list[int]:
    """The issues of this item to an assembly."""
    found = step.find(("kit.assembled",), ref=f"e:{event}#")
    return [n for n in found if step.state.move(n).credit_item == step.state.item]


def _allocate(kit: Step, pool: Pool, first: int, parts: list[Step], weights: list[int]) -> None:
    """`allocate_all`: the kit's value goes through a holding of the event's own, of which each part takes its weight."""
    role = pool.key[0]
    n = kit.leave(pool, kit.line.quantity, "BND-06", role, kit.line.location, first=first, silent=True)
    move = kit.state.move(n)
    side = kit.side(role, own(kit.line))
    if not sum(weights):
        weights = [step.line.quantity for step in parts]
    into = kit.state.shift(side, sum(weights), move.value, n, kit.line, kit.key)
    move.add_fed(into)
    pass_on(kit, n, into)
    _units(kit, "BND-06", role, sum(step.line.quantity for step in parts) - kit.line.quantity)
    for step, weight in zip(parts, weights, strict=True):
        gone = _gone(step)
        home = None if gone else step.home()
        debit = "damage_loss" if home is None else home.key[0]
        row = "BND-07" if gone else "BND-06"
        m, value = draw(kit, side, weight, step, row, debit, step.line.quantity)
        if home is not None:
            op = arrive(step, home, step.line.quantity, value, row, role, VARIANCE)
            hand_over(kit, m, step, op)
            settle(step, home, op)


assembled = document(_assemble)
disassembled = document(_take_apart)
