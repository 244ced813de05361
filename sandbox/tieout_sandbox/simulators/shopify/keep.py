"""What a shop writes down: documents shaped like the API's own types, by global id, and the time they last changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.keeping import Keeping

CHANGES_KEPT: Final = 50
PREFIX: Final = "gid://shopify/"
FIRST_NUMBER: Final = 9_007_199_254_740  # ids are long


class Refused(Exception):  # noqa: N818  (the person at the screen is told no)
    """The shop does not do what was asked."""


def gid(kind: str, number: str) -> str:
    return f"{PREFIX}{kind}/{number}"


def kind_of(identity: str) -> str:
    return identity.removeprefix(PREFIX).partition("/")[0]


def number_of(identity: str) -> str:
    return identity.rpartition("/")[2]


def stamp(epoch: float) -> str:
    """Whole seconds in UTC, as the API writes times."""
    return datetime.fromtimestamp(int(epoch), UTC).isoformat().replace("+00:00", "Z")


def epoch_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def trimmed(value: Decimal) -> str:
    """`10.00` is written `10.0`, `4.50` `4.5`."""
    text = format(value, "f")
    if "." not in text:
        return f"{text}.0"
    whole, _, part = text.partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


class Book:
    """Documents of one shop. `changed` tells whoever listens (webhooks) what happened to which document."""

    def __init__(self, keep: Keeping, clock: SimClock, currency: str) -> None:
        self.keep = keep
        self.clock = clock
        self.currency = currency
        self.listeners: list[Callable[[str, Mapping[str, Any]], None]] = []

    def now(self) -> str:
        return stamp(self.clock.now())

    def new(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        number = str(FIRST_NUMBER + self.keep.next_id("any"))
        return self.put({"id": gid(kind, number), "legacyResourceId": number, **body})

    def put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Write a document. One with an `updatedAt` gets a new one, and remembers the older: a search index is late."""
        made = dict(body)
        if "updatedAt" in made:
            made["updatedAt"] = self.now()
            made["_changes"] = [*made.get("_changes", []), made["updatedAt"]][-CHANGES_KEPT:]
        self.keep.put(kind_of(made["id"]), _key(made["id"]), made, at=self.clock.now())
        return made

    def get(self, identity: str) -> dict[str, Any] | None:
        return self.keep.get(kind_of(identity), _key(identity))

    def need(self, identity: str) -> dict[str, Any]:
        found = self.get(identity)
        if found is None:
            raise Refused(f"there is no {identity}")
        return found

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        return self.keep.all(kind)

    def money(self, amount: Decimal | str, currency: str = "") -> dict[str, str]:
        return {"amount": trimmed(Decimal(amount)), "currencyCode": currency or self.currency}

    def tell(self, topic: str, body: Mapping[str, Any]) -> None:
        for listener in self.listeners:
            listener(topic, body)


def _key(identity: str) -> str:
    return identity.removeprefix(PREFIX).partition("/")[2]
