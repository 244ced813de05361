"""The wire under httpx: one wall deadline over connecting, writing and reading, and no way to a host that is not allowed.

httpx bounds each single wait; a server that sends a byte a second would hold us for ever. Here every wait is cut to what
is left of the request's own deadline. A name is resolved once, and only public addresses are connected to, so that a
vendor's DNS cannot send us into the private network; loopback is open only where the connection's configuration says so.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any, Final

import httpcore
import httpx

deadline: Final[ContextVar[float]] = ContextVar("deadline")  # time.monotonic() at which the request in hand is over


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    until = deadline.get(None)
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise error("the request's time is over")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, *, loopback: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._loopback = loopback

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(self._address(host, port), port, left, local_address, socket_options))

    def _address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        addresses = [ip_address(entry[4][0]) for entry in found]
        if self._loopback:
            allowed = [a for a in addresses if a.is_loopback]
        else:
            allowed = [a for a in addresses if a.is_global and not a.is_multicast]
        if not allowed:
            named = ", ".join(map(str, addresses))
            raise httpcore.ConnectError(f"{host} resolves to {named}: not an address this connection may use")
        return str(allowed[0])


class Wire(httpx.HTTPTransport):
    """httpx's own transport on such a network. TLS is verified against the system's and certifi's roots as httpx does."""

    def __init__(self, *, loopback: bool = False, connections_max: int = 10) -> None:
        super().__init__(trust_env=False)
        # httpx offers no public way to give its pool a network backend; httpcore's pool does.
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=connections_max,
            max_keepalive_connections=connections_max,
            keepalive_expiry=30.0,
            network_backend=_Backend(loopback=loopback),
        )
