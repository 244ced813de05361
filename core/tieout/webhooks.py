"""What a vendor calls us with: proof that it was the vendor, and which delivery it is. It only ever wakes a pull.

A source that can be woken has a method besides those of `tieout.Source`:

    def verify_webhook(self, headers, body) -> Sequence[Notice] | None

`headers` have names in lower case; `body` is the request's bytes as they came, because that is what is signed. None: it is
not the vendor's, and is answered 401. An empty sequence: genuine, and nothing happened (Xero's intent to receive).
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple


class Notice(NamedTuple):
    """One delivery. `id` is the vendor's own, the same when it is sent again. `stream`: what to pull; empty: all of the
    connection. `at`: epoch seconds from the signed body, 0.0 where the body does not say."""

    id: str
    stream: str = ""
    at: float = 0.0  # seconds


def is_signed(body: bytes, given: str, secrets: Iterable[str]) -> bool:
    """Whether `given` is the base64 of HMAC-SHA256 over the raw body with one of the secrets (more than one while they are
    rotated). Takes the same time wherever the first difference is, and looks at every secret."""
    found = False
    for secret in secrets:
        made = b64encode(hmac.new(secret.encode(), body, sha256).digest())
        found |= bool(secret) and hmac.compare_digest(made, given.strip().encode())
    return found
