"""A stand-in for $title with books of its own. It shares no code with the connector."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

KEY_SECONDS = 86_400
ACCOUNTS = {"5000": "Cost of goods sold", "1400": "Inventory", "4000": "Sales"}


class Refused(Exception):
    """The vendor takes no such entry."""


class Stub(httpx.BaseTransport):
    """The vendor, as an httpx transport: what balances and is open is booked, once for each key."""

    def __init__(self, token: str, now: Callable[[], float]) -> None:
        self.transport = self
        self.token = token
        self.now = now
        self.entries: dict[int, dict[str, Any]] = {}
        self.locked: date | None = None
        self.keys: dict[str, tuple[float, bytes, int]] = {}

    # what people do at the vendor
    def book(self, reference: str, day: str, memo: str, lines: list[dict[str, Any]]) -> int:
        number = len(self.entries) + 1
        entry = {"id": number, "version": 1, "reference": reference, "date": day, "memo": memo, "lines": lines}
        self.entries[number] = entry
        return number

    def change(self, number: int, **facts: Any) -> None:
        self.entries[number] = {**self.entries[number], **facts, "version": self.entries[number]["version"] + 1}

    # what the vendor answers
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"error": "unauthorized"})
        params, path = request.url.params, request.url.path
        if path == "/v1/company":
            lock = self.locked.isoformat() if self.locked else None
            return httpx.Response(200, json={"name": "Example books", "currency": "USD", "locked_through": lock})
        if path == "/v1/accounts":
            rows = [{"code": code, "name": name, "active": True} for code, name in ACCOUNTS.items()]
            return httpx.Response(200, json={"accounts": rows})
        if path == "/v1/balances":
            return httpx.Response(200, json={"balances": self._balances(params["date"])})
        if path == "/v1/entries" and request.method == "POST":
            return self._posted(request)
        if path == "/v1/entries":
            return httpx.Response(200, json={"entries": self._listed(params)})
        return httpx.Response(404, json={"error": "not found"})

    def _posted(self, request: httpx.Request) -> httpx.Response:
        key, body = request.headers.get("idempotency-key", ""), request.content
        known = self.keys.get(key)
        if key and known is not None and self.now() - known[0] < KEY_SECONDS:
            if known[1] != body:
                return httpx.Response(422, json={"error": "this key was used with another entry"})
            return httpx.Response(201, json=self.entries[known[2]])
        data = json.loads(body)
        try:
            self._check(data)
        except Refused as error:
            return httpx.Response(422, json={"error": str(error)})
        number = self.book(data["reference"], data["date"], data["memo"], data["lines"])
        self.keys[key] = (self.now(), body, number)
        return httpx.Response(201, json=self.entries[number])

    def _check(self, data: dict[str, Any]) -> None:
        if sum((Decimal(line["amount"]) for line in data["lines"]), Decimal(0)):
            raise Refused("the entry does not balance")
        for line in data["lines"]:
            if line["account"] not in ACCOUNTS:
                raise Refused(f"there is no account {line['account']}")
        if self.locked is not None and date.fromisoformat(data["date"]) <= self.locked:
            raise Refused(f"the books are closed through {self.locked}")

    def _listed(self, params: httpx.QueryParams) -> list[dict[str, Any]]:
        rows = [row for number, row in sorted(self.entries.items()) if number > int(params["after"])]
        if "reference" in params:
            rows = [row for row in rows if row["reference"] == params["reference"]]
        else:
            rows = [row for row in rows if row["date"] >= params["since"] and not row.get("voided")]
        return rows[: int(params["limit"])]

    def _balances(self, day: str) -> dict[str, str]:
        sums: dict[str, Decimal] = {}
        for row in self.entries.values():
            if row["date"] <= day and not row.get("voided"):
                for line in row["lines"]:
                    sums[line["account"]] = sums.get(line["account"], Decimal(0)) + Decimal(line["amount"])
        return {account: str(total) for account, total in sums.items()}
