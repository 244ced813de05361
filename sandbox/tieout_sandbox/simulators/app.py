"""The frame of a simulator: an ASGI application that hands whole requests to plain functions, one at a time, with faults.

class MyVendor(Simulator):
    def handle(self, request: Request) -> Reply: ...

with serve(vendor) as url: ...                      a real server on loopback
httpx.Client(transport=mounted(vendor))             the same application in this process, without a socket
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx
import uvicorn

from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.faults import Fault, Faults

BODY_BYTES_MAX: Final = 32 * 1024 * 1024
TIMEOUT_SECONDS: Final = 120.0  # how long a call that is never answered is held open
THROTTLED_SECONDS: Final = 2
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Request(NamedTuple):
    """A whole request. Header names in lower case; `query` keeps the last value of a name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; amounts stay text, so no binary fraction comes near them."""
        return json.loads(self.body or b"null", parse_float=str)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Reply(NamedTuple):
    """An answer. `Reply.of` writes JSON."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        return cls(status, dumps(data), {"content-type": "application/json;charset=UTF-8", **(headers or {})})


class Number(str):
    """Decimal text that is written to JSON as a number, digit by digit."""

    __slots__ = ()


def dumps(data: Any) -> bytes:
    """JSON with `Number`s as exact numbers."""
    marks: list[str] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Number):
            marks.append(str(value))
            return f"\x00{len(marks) - 1}\x00"
        if isinstance(value, Mapping):
            return {str(name): plain(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return value

    text = json.dumps(plain(data), ensure_ascii=False)
    for n, mark in enumerate(marks):
        text = text.replace(f'"\\u0000{n}\\u0000"', mark)
    return text.encode()


class Dropped(Exception):  # noqa: N818  (no error of ours: the connection the client sees break)
    """The answer never arrives."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Simulator:
    """Base of a vendor. `handle` is called for one request at a time; what it changes is the vendor's own state."""

    name = "vendor"

    def __init__(self, *, clock: SimClock | None = None, faults: Faults | None = None) -> None:
        self.clock = clock or SimClock(running=True)
        self.faults = faults or Faults()
        self.requests: list[tuple[str, str, int]] = []  # method, path, status, in order
        self._lock = threading.RLock()

    # ── for a vendor to say ────────────────────────────────────────────────────────────────────────────────────────
    def handle(self, request: Request) -> Reply:
        raise NotImplementedError

    def writes(self, request: Request) -> bool:
        """Whether a request changes anything at the vendor."""
        return request.method not in READING

    def throttled(self, headers: Mapping[str, str]) -> Reply:
        """The vendor's own shape of a 429."""
        return Reply.of({"error": "too many requests"}, 429, headers)

    def failed(self, status: int) -> Reply:
        return Reply(status, b"<html><body>Service unavailable</body></html>", {"content-type": "text/html"})

    def refused_token(self) -> Reply:
        return Reply.of({"error": "unauthorized"}, 401)

    # ── one request ────────────────────────────────────────────────────────────────────────────────────────────────
    def answer(self, request: Request) -> tuple[Reply, Fault | None]:
        """The answer, and a fault that still has to happen to it on the wire. Raises Dropped."""
        with self._lock:
            fault = self.faults.draw(writing=self.writes(request))
            if fault is None or fault.effect:
                reply = self.handle(request)
                self.requests.append((request.method, request.path, reply.status))
            else:
                reply = Reply()
                self.requests.append((request.method, request.path, 0))
        return self._spoilt(reply, fault)

    def _spoilt(self, reply: Reply, fault: Fault | None) -> tuple[Reply, Fault | None]:
        if fault is None:
            return reply, None
        kind = fault.name.removesuffix("_before").removesuffix("_after")
        if kind.startswith("throttled"):
            waits = {
                "throttled": str(THROTTLED_SECONDS),
                "throttled_date": formatdate(self.clock.now() + THROTTLED_SECONDS, usegmt=True),
            }
            return self.throttled({"retry-after": waits[kind]} if kind in waits else {}), None
        if kind in ("error", "server_error"):
            return self.failed(503 if kind == "error" else 500), None
        if kind in ("timeout", "reset"):
            raise Dropped(kind)
        if kind == "expired_token":
            return self.refused_token(), None
        if kind == "html":
            return Reply(200, b"<!doctype html><title>Log in</title>", {"content-type": "text/html"}), None
        if kind == "empty":
            return Reply(200, b"", reply.headers), None
        return reply, fault  # truncated, slow

    # ── ASGI ───────────────────────────────────────────────────────────────────────────────────────────────────────
    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > BODY_BYTES_MAX:
                await _send(send, Reply(413), None)
                return
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        request = Request(scope["method"], scope["path"], query, headers, body)
        try:
            reply, fault = await asyncio.to_thread(self.answer, request)
        except Dropped as dropped:
            if dropped.how == "timeout":
                await asyncio.sleep(TIMEOUT_SECONDS)
            await _send(send, Reply(200, b"{", {"content-type": "application/json"}), "cut")
            return
        await _send(send, reply, fault.name if fault else None)


async def _send(send: Any, reply: Reply, how: str | None) -> None:
    length = len(reply.body) + (1 if how == "cut" else 0)
    headers = [(name.encode(), str(value).encode()) for name, value in reply.headers.items()]
    headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if how == "slow":
        for n in range(len(reply.body)):
            await send({"type": "http.response.body", "body": reply.body[n : n + 1], "more_body": True})
            await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b""})
    elif how == "truncated":
        await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2]})
    else:
        await send({"type": "http.response.body", "body": reply.body})


# ── ways in ────────────────────────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def serve(app: Simulator, *, port: int = 0) -> Iterator[str]:
    """The simulator as a server on loopback; its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise OSError(f"{app.name} could not listen on port {port}")
        threading.Event().wait(0.01)
    number = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{number}"
    finally:
        server.should_exit = True
        thread.join(5)


class mounted(httpx.BaseTransport):  # noqa: N801  (used like a function: transport=mounted(app))
    """A simulator as an httpx transport: the same handling and faults, no socket, no waiting."""

    def __init__(self, app: Simulator) -> None:
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        parts = urlsplit(str(request.url))
        whole = Request(
            request.method,
            request.url.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in request.headers.items()},
            request.read(),
        )
        try:
            reply, fault = self.app.answer(whole)
        except Dropped as dropped:
            if dropped.how == "timeout":
                raise httpx.ReadTimeout("the simulator does not answer", request=request) from None
            raise httpx.RemoteProtocolError("the simulator cut the connection", request=request) from None
        if fault is not None and fault.name == "truncated":
            raise httpx.RemoteProtocolError("the body ended early", request=request)
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body, request=request)
