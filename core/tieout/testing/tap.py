"""The wire between a connector and the vendor's stand-in: it notes every call, and spoils those a test names.

    tap.spoil("timeout_after")             the next call with data, once
    tap.spoil_all("html")                  every call from now on
    tap.calls                              what went out

A call that only asks for a token is never spoilt, so that a fault hits what the test is about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import httpx

# name → whether the vendor did what was asked before things went wrong
FAULTS: Final = {
    "unreachable": False,
    "throttled": False,
    "throttled_long": False,
    "error_before": False,
    "error_after": True,
    "server_error_before": False,
    "server_error_after": True,
    "timeout_before": False,
    "timeout_after": True,
    "reset_before": False,
    "reset_after": True,
    "truncated": True,
    "html": True,
    "empty": True,
    "expired_token": False,
}
SHORT_SECONDS: Final = 2
LONG_SECONDS: Final = 7_200


class Call(NamedTuple):
    """A request as it left the connector. `fault` is what became of it, empty when nothing did."""

    method: str
    url: str
    host: str
    body: bytes
    fault: str
    token: bool


class Tap(httpx.BaseTransport):
    """A transport around the vendor's own. `hits` says which calls faults are for; None: every call with data."""

    def __init__(self, inner: httpx.BaseTransport | None) -> None:
        self.inner = inner
        self.calls: list[Call] = []
        self.hits: Callable[[httpx.Request], bool] | None = None
        self.before: Callable[[httpx.Request], None] | None = None
        self._next: list[str] = []
        self._all = ""

    def spoil(self, *faults: str) -> None:
        """These faults for the next calls, in order; an empty name lets a call through."""
        self._next += faults

    def spoil_all(self, fault: str = "") -> None:
        """Every call from now on; without a name, none."""
        self._all = fault

    def forget(self) -> None:
        """No more faults."""
        self._next, self._all = [], ""

    @property
    def data_calls(self) -> list[Call]:
        """Calls that were not for a token."""
        return [call for call in self.calls if not call.token]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        token = _asks_for_token(body)
        fault = ""
        if not token and (self.hits is None or self.hits(request)):
            fault = self._next.pop(0) if self._next else self._all
        self.calls.append(Call(request.method, str(request.url), request.url.host, body, fault, token))
        if self.before is not None and not token:
            self.before(request)
        return self._answer(request, fault)

    def _answer(self, request: httpx.Request, fault: str) -> httpx.Response:
        if fault and not FAULTS[fault]:
            return self._refused(request, fault)
        if self.inner is None:
            raise httpx.ConnectError("this test has no vendor", request=request)
        answer = self.inner.handle_request(request)
        answer.read()
        answer.request = request
        if not fault:
            return answer
        kind = fault.removesuffix("_after")
        if kind in ("timeout", "reset"):
            raise _broken(kind, request)
        if kind == "truncated":
            half = answer.content[: len(answer.content) // 2]
            return httpx.Response(
                answer.status_code, content=half, headers=_type(answer, "application/json"), request=request
            )
        if kind == "html":
            page = b"<!doctype html><title>Sign in</title><p>Please sign in"
            return httpx.Response(200, content=page, headers={"content-type": "text/html"}, request=request)
        if kind == "empty":
            return httpx.Response(200, content=b"", headers=_type(answer, ""), request=request)
        return httpx.Response(503 if kind == "error" else 500, text="<html>Service unavailable</html>", request=request)

    def _refused(self, request: httpx.Request, fault: str) -> httpx.Response:
        kind = fault.removesuffix("_before")
        if kind == "unreachable":
            raise httpx.ConnectError("connection refused", request=request)
        if kind in ("timeout", "reset"):
            raise _broken(kind, request)
        if kind.startswith("throttled"):
            wait = SHORT_SECONDS if kind == "throttled" else LONG_SECONDS
            return httpx.Response(429, headers={"retry-after": str(wait)}, json={"error": "slow down"}, request=request)
        if kind == "expired_token":
            return httpx.Response(401, json={"error": "unauthorized"}, request=request)
        return httpx.Response(503 if kind == "error" else 500, text="<html>Service unavailable</html>", request=request)


def _type(answer: httpx.Response, default: str) -> dict[str, str]:
    found = answer.headers.get("content-type", default)
    return {"content-type": found} if found else {}


def _broken(kind: str, request: httpx.Request) -> httpx.TransportError:
    if kind == "timeout":
        return httpx.ReadTimeout("no answer", request=request)
    return httpx.RemoteProtocolError("the connection was reset", request=request)


def _asks_for_token(body: bytes) -> bool:
    return b"grant_type" in body[:4_096] and len(body) < 16_384
