"""A stand-in for Harbour: the answers its pages describe, from movements it was given. It shares no code with the connector."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

FEED = Path(__file__).with_name("feed.jsonl")


class Stub(httpx.BaseTransport):
    """The vendor, as an httpx transport. Quantities and prices stay as they were sent, digit by digit."""

    def __init__(self, token: str, now: Callable[[], datetime]) -> None:
        self.transport = self
        self.token = token
        self.now = now
        self.moves: dict[str, dict[str, Any]] = {}
        for line in FEED.read_text().splitlines():
            move = json.loads(line, parse_float=_Digits)
            self.moves[move["number"]] = move

    # what people and machines do at the vendor
    def book(self, **move: Any) -> None:
        number = move.get("number") or f"M-{len(self.moves) + 1}"
        known = self.moves.get(number, {"number": number, "state": "live", "at": self.now().isoformat()})
        self.moves[number] = {**known, **move, "changed": self.now().isoformat()}

    # what the vendor answers
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"error": "unauthorized"})
        if request.url.path == "/v1/moves":
            return _answer({"moves": self._moves(request.url.params)})
        if request.url.path == "/v1/stock":
            return _answer({"stock": [{"item": "MUG", "site": "MAIN", "quantity": _Digits("12.50")}]})
        return httpx.Response(404, json={"error": "not found"})

    def _moves(self, params: httpx.QueryParams) -> list[dict[str, Any]]:
        since, after, limit = _instant(params["since"]), params["after"], int(params["limit"])
        found = sorted((_instant(m["changed"]), m["number"], n) for n, m in self.moves.items())
        return [self.moves[n] for changed, number, n in found if (changed, number) > (since, after)][:limit]


class _Digits(str):
    """A number as it was written."""


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _answer(data: Any) -> httpx.Response:
    marks: list[str] = []

    def plain(value: Any) -> Any:
        if isinstance(value, _Digits):
            marks.append(str(value))
            return f"<number {len(marks) - 1}>"
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(plain(data))
    for n, digits in enumerate(marks):
        text = text.replace(f'"<number {n}>"', digits)
    return httpx.Response(200, content=text.encode(), headers={"content-type": "application/json"})
