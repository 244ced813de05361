"""Cost methods: which layer an issue takes next. How much value it takes is the same for all of them.

A layer (or a pool that is one layer) of quantity Q and value V gives round(V × q / Q) for q units; the issue that
empties it takes the rest (`valuation-rules` §2). So a method says only two things: whether inflows make layers of
their own or join the one there is, and from which layer an issue takes. That choice may depend on places in the queue
and on lots, never on values: a late cost must not change which units left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Protocol

from tieout.model.event import OrderKey


class CostMethod(Protocol):
    """A plugin's method implements this; `pick` gets the queue keys of the layers that hold units, smallest first."""

    joins: ClassVar[bool]  # every inflow joins the pool's single layer (an average)
    fixed: ClassVar[bool]  # value is always round(quantity × standard); implies joins
    by_lot: ClassVar[bool]  # each lot is a pool of its own; movements must name theirs

    def pick(self, keys: Sequence[OrderKey]) -> int:
        """Index of the layer an issue takes from next."""
        ...


class Fifo:
    """First in, first out: the smallest queue key."""

    joins: ClassVar[bool] = False
    fixed: ClassVar[bool] = False
    by_lot: ClassVar[bool] = False

    def pick(self, keys: Sequence[OrderKey]) -> int:
        return 0


class Lifo(Fifo):
    """Last in, first out: the largest queue key. Only under US GAAP."""

    def pick(self, keys: Sequence[OrderKey]) -> int:
        return len(keys) - 1


class WeightedAverage(Fifo):
    """Perpetual moving average: one layer."""

    joins: ClassVar[bool] = True


class Standard(WeightedAverage):
    """Standard cost: one layer worth round(quantity × standard) at all times; the rest goes to variances."""

    fixed: ClassVar[bool] = True


class Specific(Fifo):
    """Specific identification: the named lot, first in first out within it."""

    by_lot: ClassVar[bool] = True


BUILTIN: Final[Mapping[str, type[CostMethod]]] = {
    "fifo": Fifo,
    "lifo": Lifo,
    "weighted_average": WeightedAverage,
    "standard": Standard,
    "specific": Specific,
}
