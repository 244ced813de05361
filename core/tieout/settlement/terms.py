"""What a document is settled under: policies, rates and prices, what is known, and the company's currency."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import NamedTuple, NoReturn

from tieout.errors import Refused
from tieout.model.event import EventLine
from tieout.model.facts import Facts
from tieout.model.money import exponent, from_minor
from tieout.model.policy import Policy
from tieout.valuation.refs import Lookup


class Terms(NamedTuple):
    """Given to every rule of this package. `policy` and `day` answer for a line in the company's own time zone."""

    currency: str
    lookup: Lookup | None
    facts: Facts
    policy: Callable[[EventLine], Policy]
    day: Callable[[int], date]

    @property
    def scale(self) -> int:
        return int(10 ** exponent(self.currency))

    def text(self, amount: int) -> str:
        return from_minor(amount, self.currency)

    def refuse(self, line: EventLine, code: str, message: str, fix: str, amount: int | None = None) -> NoReturn:
        value = line.amount if amount is None else amount
        raise Refused(
            message,
            code=code,
            where=f"{line.type} {line.document or line.event_id}" + (f" line {line.line_id}" if line.line_id else ""),
            amount=None if value is None else self.text(value),
            fix=fix,
            item=line.item,
        )

    def rate_of(self, line: EventLine) -> tuple[str, Fraction]:
        """Currency of the document's amounts and its rate. Foreign without a rate: that of the line's day, else refused
        TO4030, naming both."""
        extra = line.extra or {}
        currency = extra.get("currency", self.currency)
        if "rate" in extra:
            return currency, Fraction(extra["rate"])
        if currency == self.currency:
            return currency, Fraction(1)
        return currency, self.rate_on(line, currency)

    def rate_on(self, line: EventLine, currency: str) -> Fraction:
        day = self.day(line.at)
        found = self.facts.rate(currency, day)
        if found is None:
            self.refuse(
                line,
                "TO4030",
                f"no exchange rate for {currency} on {day}, nor in the 7 days before",
                f"import the rate of {currency} for {day}, or give the event its rate",
            )
        return found
