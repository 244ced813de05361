"""A transport that lets calls through and writes down what was asked and answered, fit to be shown to anybody.

    with Recorder(path, inner, key=b"…", personal=("customer.email",)) as transport: ...

Left out: every header of a request, cookies, and whole calls for tokens. Replaced by `***`: values of fields whose name says
that they are secret. Replaced by pseudonyms, the same for the same value and key: values of fields that are a person's, by
their usual names or by the paths a manifest declares. Numbers keep their digits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b32encode, b64encode
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

SECRET: Final = re.compile(r"(token|secret|password|passwd|api_?key|signature|authorization|client_id)", re.IGNORECASE)
PERSONAL: Final = frozenset(
    {
        "email", "phone", "firstname", "lastname", "first_name", "last_name", "address1", "address2", "zip", "postalcode",
        "displayname", "givenname", "familyname", "emailaddress", "contactname", "primaryemailaddr", "line1", "line2",
    }
)  # fmt: skip
KEPT_HEADERS: Final = ("content-type", "retry-after", "x-shopify-api-version", "x-rate-limit-problem")
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Recorder(httpx.BaseTransport):
    """Writes one line of JSON for each call, as it ends. `secrets`: texts that must not be in the file in any place."""

    def __init__(
        self,
        path: Path,
        inner: httpx.BaseTransport,
        *,
        key: bytes,
        personal: Sequence[str] = (),
        secrets: Sequence[str] = (),
    ) -> None:
        self._inner = inner
        self._key = key
        self._personal = PERSONAL | {path.rpartition(".")[2].strip("[*]").lower() for path in personal}
        self._secrets = [text for text in secrets if text]
        self._file = path.open("x", encoding="utf-8")
        self.calls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._file.close()
        self._inner.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = request.read()
        answer = self._inner.handle_request(request)
        answer.read()
        if not is_token_call(asked):
            self._write(request, asked, answer)
        return answer

    def _write(self, request: httpx.Request, asked: bytes, answer: httpx.Response) -> None:
        url = request.url.copy_with(params={k: self._value(k, v) for k, v in request.url.params.items()})
        line = {
            "method": request.method,
            "url": str(url),
            "asked": self._text(asked),
            "status": answer.status_code,
            "headers": {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers},
            "body": self._text(answer.content),
        }
        text = json.dumps(line, ensure_ascii=False)
        for secret in self._secrets:
            text = text.replace(json.dumps(secret)[1:-1], "***")
        self._file.write(text + "\n")
        self._file.flush()
        self.calls += 1

    def _text(self, body: bytes) -> str:
        """A body as text: JSON cleaned field by field, other text as it is, bytes that are no text marked as base64."""
        head, _, rest = body.partition(b"\n") if not body.lstrip().startswith((b"{", b"[")) else (b"", b"", body)
        try:
            cleaned = _encode(self._clean(_decode(rest))).decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            try:
                return body.decode()
            except UnicodeDecodeError:
                return f"base64:{b64encode(body).decode()}"
        return f"{head.decode(errors='replace')}\n{cleaned}" if head else cleaned

    def _clean(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {inner: self._clean(each, inner) for inner, each in value.items()}
        if isinstance(value, list):
            return [self._clean(each, name) for each in value]
        return self._value(name, value)

    def _value(self, name: str, value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value
        if SECRET.search(name):
            return "***"
        return self.pseudonym(value) if name.lower() in self._personal else value

    def pseudonym(self, value: str) -> str:
        """What stands for a person's value; an address stays an address."""
        made = b32encode(hmac.new(self._key, value.encode(), hashlib.sha256).digest()[:10]).decode().lower()
        return f"{made}@example.org" if "@" in value else f"psn-{made}"


def is_token_call(body: bytes) -> bool:
    """Whether a call asks for tokens: such a call is never written down."""
    return b"grant_type" in body[:4_096] and len(body) < 16_384
