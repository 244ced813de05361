"""What a layer's value is made of: material, and what was added to it (landed cost, …). Worked out when asked.

Inflows remember what was added to them (`ItemState.added`); an outflow takes of each component its share of the
outflow's value, by largest remainder; an inflow that was fed by outflows, a return and an undo bring what those took.
So components always add up to the layer's value, and valuing itself pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from tieout.valuation.records import Layer
from tieout.valuation.state import ItemState

DEPTH_MAX: Final = 64  # hand-overs followed back; beyond them a value counts as material
MATERIAL: Final = "material"

Parts = dict[str, int]  # amounts by component, material left out: it is the rest


def components(state: ItemState, n: int, layer: Layer) -> Parts:
    """Value of layer `n` by component; what is not known otherwise is material. The sum is the layer's value."""
    if not state.added and not state.made:
        return {MATERIAL: layer.value}
    parts = {name: amount for name, amount in held(state, n, None, 0).items() if amount}
    return {MATERIAL: layer.value - sum(parts.values()), **parts}


def held(state: ItemState, n: int, before: int | None, depth: int = 0) -> Parts:
    """What the layer held just before operation `before` (None: at the end)."""
    parts: Parts = dict(state.made.get(n, {}))
    for i, layer in enumerate(state.o_layer):
        op = state.base + i
        if before is not None and op >= before:
            break
        if layer != n:
            continue
        if state.o_q[i] > 0 or (state.o_q[i] == 0 and (state.o_v[i] >= 0 or not _of_work(state, n))):
            _add(parts, _brought(state, op, depth))
        else:
            _add(parts, _split(parts, state.o_rv[i] - state.o_v[i], -state.o_v[i]), -1)
    return parts


def taken(state: ItemState, ops: Iterable[int]) -> Parts:
    """What outflows took that is not material; the rest of their value is."""
    return _taken(state, ops, 0) if state.added or state.made else {}


def _of_work(state: ItemState, n: int) -> bool:
    """Whether a layer is work in process, which gives value away without units (by-products, standard output)."""
    layer = state.layers.get(n)
    return layer is not None and state.pools[layer.pool].key[0] == "inventory_wip"


def _add(parts: Parts, more: Parts, sign: int = 1) -> None:
    for name, amount in more.items():
        parts[name] = parts.get(name, 0) + sign * amount


def _brought(state: ItemState, op: int, depth: int) -> Parts:
    """What an inflow brought: what was added to it, and what the outflows behind it took."""
    out: Parts = {}
    for name, amount in state.added.get(op, ()):
        out[name] = out.get(name, 0) + amount
    move = state.moves[state.o_move[op - state.base] - state.move_base]
    if depth >= DEPTH_MAX:
        return out
    fed = [source for source in move.taken if source >= state.base and state.o_dest[source - state.base] == op]
    _add(out, _taken(state, fed, depth))
    if move.source >= state.move_base:
        issue = state.moves[move.source - state.move_base]
        of_issue = _taken(state, issue.taken, depth)
        _add(out, _split(of_issue, issue.value, state.o_v[op - state.base]))
    for source, entries in state.undone.items() if state.undone else ():
        for inflow, _, value in entries:
            if inflow == op:
                _add(out, _split(_taken(state, [source], depth), -state.o_v[source - state.base], value))
    return out


def _taken(state: ItemState, ops: Iterable[int], depth: int) -> Parts:
    out: Parts = {}
    for op in ops:
        i = op - state.base
        if i >= 0:
            parts = held(state, state.o_layer[i], op, depth + 1)
            _add(out, _split(parts, state.o_rv[i] - state.o_v[i], -state.o_v[i]))
    return out


def _split(parts: Parts, value: int, taken: int) -> Parts:
    """Shares of `taken` out of `value`: floors, the missing units to the largest fractions, material last."""
    if not value or not parts:
        return {}
    full = {**parts, MATERIAL: value - sum(parts.values())}
    exact = {name: Fraction(amount * taken, value) for name, amount in full.items()}
    out = {name: share.numerator // share.denominator for name, share in exact.items()}
    missing = taken - sum(out.values())
    for name in sorted(full, key=lambda k: (out[k] - exact[k], k == MATERIAL, k))[:missing]:
        out[name] += 1
    del out[MATERIAL]
    return out
