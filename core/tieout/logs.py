"""Log lines: one JSON object each, with what the work at hand is about, and never a secret.

Every secret that is fetched (`hide`) is replaced wherever it would be written: in log lines, in what vendors answered, in
messages. Beside those, whatever has the shape of a credential is replaced too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

HIDDEN: Final = "***"
SECRET_CHARACTERS_MIN: Final = 6  # shorter ones would blank out ordinary words
SECRETS_MAX: Final = 10_000
MESSAGE_CHARACTERS_MAX: Final = 8_000

_about: ContextVar[dict[str, str]] = ContextVar("about")  # run, company, connection, schedule, trace
_secrets: set[str] = set()
_lock = threading.Lock()
_shapes: Final = re.compile(
    r"(?P<before>\b(?:bearer|basic)\s+|whsec_|xoxb-|shpat_|shpss_"
    r"|[\"']?(?:access_token|refresh_token|client_secret|password|api_key)[\"']?\s*[:=]\s*[\"']?"
    r"|://[^/\s:@]*:)(?P<secret>[A-Za-z0-9+/=._~-]{6,})",
    re.IGNORECASE,
)


def hide(secret: str) -> str:
    """Never write this text down from now on. Answers with it, so that it can be hidden where it is fetched."""
    if len(secret) >= SECRET_CHARACTERS_MIN and secret not in _secrets:
        with _lock:
            if len(_secrets) >= SECRETS_MAX:
                _secrets.clear()  # tokens of long ago; those in use are fetched, and hidden, again
            _secrets.add(secret)
    return secret


def redact(text: str) -> str:
    """The text without secrets."""
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _shapes.sub(lambda match: match["before"] + HIDDEN, text)


@contextmanager
def about(**facts: str) -> Iterator[None]:
    """What the work inside is about: named in every log line of it."""
    token = _about.set({**_about.get({}), **{name: text for name, text in facts.items() if text}})
    try:
        yield
    finally:
        _about.reset(token)


class JsonLines(logging.Formatter):
    """`{"at", "level", "logger", "message", run, company, connection, trace …, "error"}`"""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage())[:MESSAGE_CHARACTERS_MAX],
            **_about.get({}),
        }
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))[-MESSAGE_CHARACTERS_MAX:]
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """For people: time, level, what the work is about, message."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(" ".join((super().format(record), *(f"{k}={v}" for k, v in _about.get({}).items()))))


def set_up(form: Literal["json", "text"], stream: TextIO | None = None, level: int = logging.INFO) -> logging.Handler:
    """Write log lines of tieout, and warnings of everything else, to a stream (default: stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("tieout").setLevel(level)
    return handler
