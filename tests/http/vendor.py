"""A vendor on loopback that answers as a test tells it to, and a vault in memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tieout.http.grants import Tokens

Handler = Callable[["Vendor", BaseHTTPRequestHandler, bytes], None]


class Vendor:
    """A real HTTP server. `answer` does what it likes with the request; `seen` are (method, path, headers, body)."""

    def __init__(self, answer: Handler) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        vendor = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                vendor.seen.append((self.command, self.path, headers, body))
                answer(vendor, self, body)

            do_GET = do_POST = do_PUT = _any  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def reply(request: BaseHTTPRequestHandler, status: int, body: bytes = b"{}", **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def vendor() -> Iterator[Callable[[Handler], Vendor]]:
    made: list[Vendor] = []

    def start(answer: Handler) -> Vendor:
        made.append(Vendor(answer))
        return made[-1]

    yield start
    for one in made:
        one.close()


class MemoryVault:
    """What `store.vault` does, for tests of who asks when."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self.tokens = tokens
        self.saved = 0
        self._lock = threading.Lock()

    def load(self) -> Tokens | None:
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        self.saved += 1
        self.tokens = tokens

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._lock:
            yield


@pytest.fixture
def nowhere() -> str:
    """An address on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
