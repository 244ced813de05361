"""A balance that is open between two parties: an exact amount in its own currency, and the minor units it is carried at."""

from __future__ import annotations

from fractions import Fraction

from tieout.model.money import round_fraction


class Open:
    """`take` gives the carried value of part of it: pro rata, the last part takes the rest."""

    __slots__ = ("foreign", "value")

    def __init__(self) -> None:
        self.foreign = Fraction(0)
        self.value = 0

    def add(self, foreign: Fraction, value: int) -> None:
        self.foreign += foreign
        self.value += value

    def take(self, foreign: Fraction) -> int:
        """Carried value of `foreign`, not more than what is open."""
        if foreign == self.foreign:
            value, self.foreign, self.value = self.value, Fraction(0), 0
            return value
        value = round_fraction(self.value * foreign / self.foreign) if self.foreign else 0
        self.foreign -= foreign
        self.value -= value
        return value

    def room(self, wanted: Fraction) -> Fraction:
        """How much of `wanted` can be taken: nothing of a balance on the other side."""
        return max(Fraction(0), min(self.foreign, wanted))
