"""References and idempotency keys: derived from what they stand for, never drawn.

The reference is the marker in the vendor's document and never changes between sends. The key changes only with the send
generation. Both come out the same after a crash, a restore, or when everything is derived again from the events.
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from tieout.model.journal import Document, Receipt

PREFIX = "TO-"
REFERENCE_CHARACTERS = 12
VERSION = "v1"

_canonical = msgspec.json.Encoder(order="deterministic").encode


def canonical(document: Document) -> bytes:
    """A document's canonical JSON, as stored and hashed."""
    return _canonical(document)


def parse(text: str | bytes) -> Document:
    """The document of its canonical JSON."""
    return msgspec.json.decode(text, type=Document)


def derive(document: Document, *, company: str, ledger: str, lineage: tuple[str, int], revision: int, part: int) -> str:
    """`TO-` and twelve characters over company, ledger connection, kind, lineage ids, revision, part and content.

    `document` must not carry a reference yet: the content is hashed before any marker is in it."""
    if document.reference:
        raise ValueError(f"document already carries the reference {document.reference}")
    content = sha256(canonical(document)).hexdigest()
    inputs = _canonical([VERSION, company, ledger, document.kind, *lineage, revision, part, content])
    return PREFIX + b32encode(sha256(inputs).digest()).decode()[:REFERENCE_CHARACTERS]


def key(marker: str, *, company: str, ledger: str, generation: int, body: bytes, length_max: int) -> str:
    """The idempotency key of one send generation of these very bytes, cut to the ledger's limit.

    The reference stands for its inputs, being a hash over all of them."""
    inputs = _canonical([VERSION, company, ledger, marker, generation, sha256(body).hexdigest()])
    return b32encode(sha256(inputs).digest()).decode().rstrip("=")[:length_max]


def encode(receipt: Receipt) -> bytes:
    """A receipt as canonical JSON, without the vendor's raw answer."""
    return _canonical(replace(receipt, raw=b""))
