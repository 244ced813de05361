"""What a test of a connector stands on: a folder, a clock that moves only when told, a wire, secrets that must not show.

bench.context(Acme, {"token": bench.secret("token")})     the context the framework would give, over the bench's wire
"""

from __future__ import annotations

import contextlib
import io
import logging
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tieout.connector import Context, Manifest
from tieout.http.client import Http
from tieout.http.grants import Tokens
from tieout.testing.tap import Tap

if TYPE_CHECKING:
    import httpx

START: Final = datetime(2026, 11, 2, 12, tzinfo=UTC)
COMPANY: Final = "ACME"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
CANARY_LENGTH_MIN: Final = 12  # shorter values are found in innocent text


class Clock:
    """Time that stands still until it is moved; sleeping moves it. `slept` is how long in all."""

    def __init__(self, start: datetime = START) -> None:
        self._at = start
        self.slept = timedelta(0)

    def utc(self) -> datetime:
        return self._at

    def now(self) -> float:
        return self._at.timestamp()

    def advance(self, by: timedelta | float) -> None:
        self._at += by if isinstance(by, timedelta) else timedelta(seconds=by)

    def sleep(self, seconds: float) -> None:
        self.slept += timedelta(seconds=max(seconds, 0))
        self.advance(max(seconds, 0))


class MemoryVault:
    """A connection's tokens in memory; `seen` is every one there ever was."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self.tokens = tokens
        self.seen: list[Tokens] = [tokens] if tokens else []
        self._lock = threading.Lock()

    def load(self) -> Tokens | None:
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.seen.append(tokens)

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._lock:
            yield


class Watch:
    """What a connector let out while it was watched."""

    def __init__(self) -> None:
        self.printed = io.StringIO()
        self.logged: list[str] = []
        self.slept_really = 0
        self.around: list[str] = []  # hosts reached, or tried, without context.http


class _Listener(logging.Handler):
    def __init__(self, logged: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        self._logged.append(record.getMessage())
        if record.exc_info:
            self._logged.append("".join(traceback.format_exception(*record.exc_info)))


class Bench:
    """One test's ground. `vendor` is whatever the author's `vendor()` made; its `transport`, if any, is on the wire."""

    def __init__(self, folder: Path, currency: str = "USD") -> None:
        self.folder = folder
        self.currency = currency
        self.clock = Clock()
        self.vault = MemoryVault()
        self.tap = Tap(None)
        self.vendor: Any = None
        self.watch = Watch()
        self.hosts: tuple[str, ...] = ()
        self._secrets: list[str] = []

    def connect(self, transport: httpx.BaseTransport | None) -> None:
        """Put the vendor's stand-in at the other end of the wire."""
        self.tap.inner = transport

    def secret(self, name: str, value: str = "") -> str:
        """A reference (`file:…`) to a secret of this test, which must then show nowhere."""
        value = value or f"canary-{secrets.token_hex(12)}"
        folder = self.folder / "secrets"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(value)
        self._secrets.append(value)
        return f"file:secrets/{name}"

    def canaries(self) -> list[str]:
        """Every secret a connector could give away: those of its configuration and every token."""
        tokens = [text for each in self.vault.seen for text in (each.access, each.refresh)]
        return [text for text in (*self._secrets, *tokens) if len(text) >= CANARY_LENGTH_MIN]

    def context(self, connector: Any, config: Mapping[str, Any]) -> Context:
        """The context of a connection with this configuration, validated as `tieout.toml` would be."""
        manifest: Manifest = connector.manifest
        self.hosts = manifest.hosts
        made = manifest.config.model_validate(dict(config), context={"root": self.folder})
        http: Callable[..., Http] = partial(
            Http,
            hosts=manifest.hosts,
            vault=self.vault,
            transport=self.tap,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )
        return Context(
            connection="under-test",
            company=COMPANY,
            currency=self.currency,
            config=made,
            root=self.folder,
            now=self.clock.utc,
            http=http,
        )

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Note what is printed, logged and slept; a real sleep is not slept."""
        root, real, resolve = logging.getLogger(), time.sleep, socket.getaddrinfo
        level, listener = root.level, _Listener(self.watch.logged)
        quiet = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "alembic")}

        def sleep(seconds: Any) -> None:
            if threading.current_thread() is not threading.main_thread():
                real(seconds)
                return
            self.watch.slept_really += 1

        def getaddrinfo(host: Any, *how: Any, **more: Any) -> Any:
            if host in LOOPBACK:
                return resolve(host, *how, **more)
            self.watch.around.append(str(host))
            raise socket.gaierror(f"{host}: a test reaches nobody")

        root.addHandler(listener)
        root.setLevel(logging.DEBUG)
        for name in quiet:  # their own lines hold addresses, which is theirs to say
            logging.getLogger(name).setLevel(logging.WARNING)
        time.sleep, socket.getaddrinfo = sleep, getaddrinfo
        try:
            with contextlib.redirect_stdout(self.watch.printed):
                yield self.watch
        finally:
            time.sleep, socket.getaddrinfo = real, resolve
            root.removeHandler(listener)
            root.setLevel(level)
            for name, old in quiet.items():
                logging.getLogger(name).setLevel(old)
