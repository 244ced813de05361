"""What a layer's value is made of: material, and what was added to it (landed cost, …). Worked out when asked.

Inflows remember what was added to them (`ItemState.added`); an outflow takes of each component its share of the
outflow's value, by largest remainder. So components always add up to the layer's value, and valuing itself pays
nothing for them.
"""

from __future__ import annotations

from fractions import Fraction

from tieout.valuation.state import ItemState, Layer

DEPTH_MAX = 64  # hand-overs followed back; beyond it a value counts as material

Parts = dict[str, int]


def components(state: ItemState, n: int, layer: Layer) -> Parts:
    """Value of layer `n` by component; what is not known otherwise is material."""
    if not state.added:
        return {"material": layer.value}
    parts = _held(state, n, None, 0)
    extra = sum(a for name, a in parts.items() if name != "material")
    return {"material": layer.value - extra, **{k: a for k, a in parts.items() if k != "material" and a}}


def _held(state: ItemState, n: int, before: int | None, depth: int) -> Parts:
    """What the layer held just before operation `before` (at the end: None)."""
    held: Parts = {}
    value = 0
    for i, layer in enumerate(state.o_layer):
        op = state.base + i
        if layer != n:
            continue
        if op == before:
            break
        change = state.o_v[i]
        if state.o_q[i] >= 0:
            for name, amount in _brought(state, op, depth).items():
                held[name] = held.get(name, 0) + amount
        elif change and value:
            for name, amount in _split(held, value, -change).items():
                held[name] -= amount
        value += change
    return held


def _brought(state: ItemState, op: int, depth: int) -> Parts:
    out: Parts = {}
    for name, amount in state.added.get(op, ()):
        out[name] = out.get(name, 0) + amount
    if depth >= DEPTH_MAX:
        return out
    for source in state.move(state.o_move[op - state.base]).taken:
        i = source - state.base
        if i >= 0 and state.o_dest[i] == op:
            held = _held(state, state.o_layer[i], source, depth + 1)
            for name, amount in _split(held, state.o_rv[i] - state.o_v[i], -state.o_v[i]).items():
                out[name] = out.get(name, 0) + amount
    return out


def _split(held: Parts, value: int, taken: int) -> Parts:
    """Shares of `taken` out of what is held: floors, the missing units to the largest fractions, material last."""
    if not value:
        return {}
    full = {**held, "material": value - sum(a for name, a in held.items() if name != "material")}
    exact = {name: Fraction(a * taken, value) for name, a in full.items()}
    out = {name: share.numerator // share.denominator for name, share in exact.items()}
    missing = taken - sum(out.values())
    for name in sorted(full, key=lambda k: (out[k] - exact[k], k == "material", k))[:missing]:
        out[name] += 1
    return {name: a for name, a in out.items() if name != "material"}
