"""Daily checkpoints of a company's books, kept outside the database and signed: what was there cannot be changed unseen.

    root(n) = sha256(root(n-1) || sha256(journal rows since checkpoint n-1) || batch head || act head)

Whoever holds an old checkpoint can tell from an export whether everything up to it is still what it was. One line of JSON
each, oldest first, each signed with the company's Ed25519 key over the canonical bytes of its other fields. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tieout.audit.chain import START, Break

SIGNATURE_BYTES = 64


class Checkpoint(NamedTuple):
    """How far the books had come: counts (`size` is their sum) and the last ids, the heads of both chains, and the root.

    `time` is ISO 8601 UTC. Hashes, signature and public key are hex.
    """

    company: str
    day: str
    time: str
    size: int
    batches: int
    acts: int
    bookings: int
    last_batch: int
    last_act: int
    last_booking: int
    batch_head: str
    act_head: str
    journal: str
    previous: str
    root: str
    key: str = ""
    signature: str = ""

    def text(self) -> str:
        """One line, sorted keys."""
        return json.dumps(self._asdict(), sort_keys=True, separators=(",", ":"))

    def signed_bytes(self) -> bytes:
        return self._replace(signature="").text().encode()


def read(lines: Iterable[str]) -> list[Checkpoint]:
    """Checkpoints of a file, as they stand. KeyError, TypeError or ValueError where a line is none."""
    return [Checkpoint(**json.loads(line)) for line in lines if line.strip()]


def root_of(previous: str, journal: str, batch_head: str, act_head: str) -> str:
    """The root after one more stretch of journal. Hex in, hex out."""
    parts = [bytes.fromhex(part) for part in (previous, journal, batch_head, act_head)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def journal_row(row: Mapping[str, Any]) -> bytes:
    """The bytes one booking is hashed as: canonical JSON and a newline."""
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def start() -> str:
    """The root before the first checkpoint."""
    return START.hex()


# ── signing ────────────────────────────────────────────────────────────────────────────────────────────────────────
def new_key() -> bytes:
    """A new private key: 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(private: bytes) -> str:
    """Its public half, hex."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex()


def sign(checkpoint: Checkpoint, private: bytes) -> Checkpoint:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    named = checkpoint._replace(key=public_key(private), signature="")
    return named._replace(signature=Ed25519PrivateKey.from_private_bytes(private).sign(named.signed_bytes()).hex())


def signed_by(checkpoint: Checkpoint, key: str) -> bool:
    """Whether this checkpoint bears a signature of the key (hex) over exactly these fields."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(checkpoint.signature), checkpoint.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return checkpoint.key == key


# ── checking ───────────────────────────────────────────────────────────────────────────────────────────────────────
def check_chain(checkpoints: Sequence[Checkpoint], key: str) -> list[Break]:
    """Signatures, order and links of checkpoints among themselves; `row` is the place in the file, from 1."""
    broken: list[Break] = []
    previous = start()
    size = 0
    for n, each in enumerate(checkpoints, 1):
        if not signed_by(each, key):
            broken.append(Break(n, f"checkpoint of {each.day} is not signed by this company's key"))
        if each.previous != previous:
            broken.append(Break(n, f"checkpoint of {each.day} does not follow the one before it"))
        if each.root != root_of(each.previous, each.journal, each.batch_head, each.act_head):
            broken.append(Break(n, f"checkpoint of {each.day} does not have the root of what it says"))
        if each.size < size or each.size != each.batches + each.acts + each.bookings:
            broken.append(Break(n, f"checkpoint of {each.day} covers less than the one before it, or miscounts"))
        previous, size = each.root, each.size
    return broken


def check_books(
    checkpoints: Sequence[Checkpoint],
    batches: Sequence[Mapping[str, Any]],
    acts: Sequence[Mapping[str, Any]],
    journal: Iterable[tuple[int, bytes]],
) -> list[Break]:
    """Whether books still hold what checkpoints say. `batches` and `acts`: rows with `id` and `hash` (bytes), in order;
    `journal`: (booking id, `journal_row`), in order, read once."""
    broken: list[Break] = []
    rows_left = iter(journal)
    row = next(rows_left, None)
    seen = after = 0
    for n, each in enumerate(checkpoints, 1):
        for what, rows, last, head, count in (
            ("landings", batches, each.last_batch, each.batch_head, each.batches),
            ("acts", acts, each.last_act, each.act_head, each.acts),
        ):
            here = [one for one in rows if one["id"] <= last]
            found = here[-1]["hash"].hex() if here else start()
            if found != head or len(here) != count:
                broken.append(Break(n, f"the {what} are not those of {each.day}"))
        digest = hashlib.sha256()
        while row is not None and row[0] <= each.last_booking:
            digest.update(row[1])
            seen += 1
            row = next(rows_left, None)
        if digest.hexdigest() != each.journal or seen != each.bookings:
            span = f"bookings {after + 1} to {each.last_booking}"
            broken.append(Break(n, f"the journal ({span}) is not that of {each.day}"))
        after = each.last_booking
    return broken
