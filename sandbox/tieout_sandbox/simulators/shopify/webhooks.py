"""Webhooks: signed hints that something changed; at least once, in no order, and now and then not at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tieout_sandbox.simulators.clock import SimClock

KEPT: Final = 10_000


class Delivery(NamedTuple):
    """One delivery, as it arrives: raw body and headers."""

    body: bytes
    headers: dict[str, str]


class Webhooks:
    """What the shop sends. `waiting` holds deliveries nobody fetched yet."""

    def __init__(self, clock: SimClock, secret: str, shop: str, version: str) -> None:
        self._clock = clock
        self._secret = secret
        self._shop = shop
        self._version = version
        self._sent = 0
        self.waiting: list[Delivery] = []

    def tell(self, topic: str, body: Mapping[str, Any]) -> None:
        self._sent += 1
        raw = json.dumps(body).encode()
        moment = datetime.fromtimestamp(self._clock.now(), UTC)
        self.waiting.append(
            Delivery(
                raw,
                {
                    "content-type": "application/json",
                    "x-shopify-topic": topic,
                    "x-shopify-hmac-sha256": self.sign(raw),
                    "x-shopify-shop-domain": self._shop,
                    "x-shopify-api-version": self._version,
                    "x-shopify-webhook-id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._shop}{self._sent}")),
                    "x-shopify-event-id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._shop}{moment}{raw!r}")),
                    "x-shopify-triggered-at": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}000Z",
                },
            )
        )
        del self.waiting[:-KEPT]

    def sign(self, body: bytes) -> str:
        return base64.b64encode(hmac.new(self._secret.encode(), body, hashlib.sha256).digest()).decode()

    def take(
        self, *, seed: int = 0, doubled: float = 0.0, dropped: float = 0.0, shuffled: bool = False
    ) -> list[Delivery]:
        """The deliveries since the last time, with what happens to them on the way."""
        dice = random.Random(seed)
        taken, self.waiting = self.waiting, []
        out: list[Delivery] = []
        for each in taken:
            if dice.random() < dropped:
                continue
            out.append(each)
            if dice.random() < doubled:
                out.append(each)
        if shuffled:
            dice.shuffle(out)
        return out
