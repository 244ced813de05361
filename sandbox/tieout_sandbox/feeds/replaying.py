"""A transport that answers from a recorded feed: the same calls get the same answers, in the order they were given.

A call that is made more often than it was recorded gets its last answer again, so that a second pull finds no news. A call
that was never recorded is an error that names it: the connector asks something else than it did.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx

from tieout_sandbox.feeds.recording import is_token_call


class NotRecorded(httpx.RequestError):
    """The feed has no answer to this call."""


class Replay(httpx.BaseTransport):
    """Answers of a feed. `asked` are the calls that were made; `left` how many recorded answers nobody has asked for."""

    def __init__(self, path: Path) -> None:
        self._answers: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
        for line in path.read_text(encoding="utf-8").splitlines():
            call = json.loads(line)
            self._answers[call["method"], _place(call["url"]), call["asked"]].append(call)
        self._given: dict[tuple[str, str, str], int] = defaultdict(int)
        self.asked: list[str] = []

    @property
    def left(self) -> int:
        return sum(max(len(calls) - self._given[key], 0) for key, calls in self._answers.items())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        if is_token_call(body):
            token = {
                "access_token": "replayed",
                "token_type": "bearer",
                "expires_in": 3_600,
                "refresh_token": "replayed",
            }
            return httpx.Response(200, json=token, request=request)
        key = (request.method, _place(str(request.url)), body.decode(errors="replace"))
        self.asked.append(f"{key[0]} {key[1]}")
        found = self._answers.get(key)
        if found is None:
            raise NotRecorded(f"the feed has no answer to {key[0]} {key[1]}", request=request)
        call = found[min(self._given[key], len(found) - 1)]
        self._given[key] += 1
        return httpx.Response(call["status"], headers=call["headers"], content=_bytes(call["body"]), request=request)


def _place(url: str) -> str:
    """Path and sorted query: the host may be a simulator's."""
    parsed = httpx.URL(url)
    query = "&".join(f"{name}={value}" for name, value in sorted(parsed.params.multi_items()))
    return f"{parsed.path}?{query}" if query else parsed.path


def _bytes(text: str) -> bytes:
    return b64decode(text.removeprefix("base64:")) if text.startswith("base64:") else text.encode()
