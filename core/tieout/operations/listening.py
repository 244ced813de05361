"""The door for vendors' calls: `POST /hooks/COMPANY/CONNECTION`. What is genuine and new wakes a pull, and nothing else.

    size ─▶ connection ─▶ signature over the raw body ─▶ seen before? ─▶ wake-up committed ─▶ 200

    401 not the vendor's     404 no such connection     411, 413 no length, too long     503 busy, or not kept: send again

Nothing of a body is parsed before its signature holds, and nothing in it is believed after: the pull reads the vendor.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tieout.errors import TieoutError
from tieout.operations.desk import Desk
from tieout.store import wakes
from tieout.webhooks import Notice

log = logging.getLogger("tieout.webhooks")

BODY_BYTES_MAX: Final = 1024 * 1024
READ_SECONDS_MAX: Final = 5
IN_FLIGHT_MAX: Final = 16
NOTICES_MAX: Final = 1_000  # of one call
REPLAY_SECONDS_MAX: Final = 3 * 86_400  # vendors send again for hours; what is older than this is no new delivery
FORGET_EVERY: Final = 1_000  # calls between looks at what may be forgotten

Verify = Callable[[Mapping[str, str], bytes], Sequence[Notice] | None]


class Door:
    """Companies' connections that can be called, by the path they are called at. Thread-safe."""

    def __init__(self) -> None:
        self._rooms: dict[str, tuple[Desk, str, Verify]] = {}
        self._calls = 0

    def open(self, desk: Desk) -> list[str]:
        """Let a company's connections be called; the paths of those that can."""
        opened = []
        for connection in desk.project.connections_of(desk.company.code):
            made: Any = connection.implementation
            if connection.error is None and callable(getattr(made, "verify_webhook", None)):
                path = f"/hooks/{desk.company.code}/{connection.name}"
                self._rooms[path] = (desk, connection.id, made(desk.context(connection)).verify_webhook)
                opened.append(path)
        return opened

    def called(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """A whole call; the status to answer."""
        room = self._rooms.get(path)
        if room is None:
            return 404
        desk, connection, verify = room
        try:
            notices = verify(headers, body)
        except TieoutError as error:
            log.warning("%s: %s", path, error)
            return 503
        except Exception:
            log.exception("%s: verify_webhook failed", path)
            return 503
        if notices is None:
            log.warning("%s: a call that the vendor did not sign", path)
            return 401
        try:
            self._wake(desk, connection, notices[:NOTICES_MAX], hashlib.sha256(body).hexdigest())
        except TieoutError as error:
            log.warning("%s: %s", path, error)
            return 503
        except Exception:
            log.exception("%s: not kept", path)
            return 503
        return 200

    def _wake(self, desk: Desk, connection: str, notices: Sequence[Notice], digest: str) -> None:
        now = desk.micros()
        live = [n for n in notices if not n.at or abs(now // 1_000_000 - n.at) <= REPLAY_SECONDS_MAX]
        if not live:
            return
        self._calls += 1
        with desk.store.write() as tx:
            if not wakes.fresh(tx, desk.id, [f"{connection}:{digest}"], now=now):
                return  # these very bytes were here, whatever the call names itself
            names = {f"{connection}:{notice.id}": notice for notice in live}
            for known in wakes.fresh(tx, desk.id, names, now=now):
                wakes.ask(tx, desk.id, connection, names[known].stream, now=now)
            if self._calls % FORGET_EVERY == 1:
                wakes.forget(tx, desk.id, now - REPLAY_SECONDS_MAX * 1_000_000)


class Listener:
    """The door's socket. `port` 0: any that is free."""

    def __init__(self, door: Door, host: str, port: int) -> None:
        slots = threading.BoundedSemaphore(IN_FLIGHT_MAX)

        class Calls(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = READ_SECONDS_MAX
            server_version = "tieout"
            sys_version = ""

            def do_POST(self) -> None:
                if not slots.acquire(blocking=False):
                    self._answer(503)
                    return
                try:
                    self._answer(self._called())
                finally:
                    slots.release()

            def _called(self) -> int:
                length = self.headers.get("content-length", "")
                if not length.isdigit() or "transfer-encoding" in self.headers:
                    return 411
                if int(length) > BODY_BYTES_MAX:
                    return 413
                body = self.rfile.read(int(length))
                if len(body) != int(length):
                    return 400
                headers = {name.lower(): value for name, value in self.headers.items()}
                return door.called(self.path.partition("?")[0], headers, body)

            def _answer(self, status: int) -> None:
                self.close_connection = True  # an unread body must not be taken for the next request
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer((host, port), Calls)
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="tieout webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(READ_SECONDS_MAX)
