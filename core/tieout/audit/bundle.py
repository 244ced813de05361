"""An audit export: one zip a company that proves itself without the database, the project or the network.

manifest.json        company, currency, when, counts, control totals, numbers per kind, SHA-256 of every other part
batches.jsonl        every landing, with its hash and the one before it
acts.jsonl           everything anybody did, likewise
entries.jsonl        every entry with its number, kind, state, day, reference and document
journal.jsonl        every booking, in the bytes the checkpoints are made of
changes.jsonl        mappings, rules, accounts, periods, approvals: what changed, when, by whom, with the text
checkpoints.jsonl    the signed daily checkpoints, as kept outside the database
key.txt              the public key they are signed with
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tieout.audit import chain, checkpoint
from tieout.audit.checkpoint import Checkpoint

PARTS = (
    "batches.jsonl",
    "acts.jsonl",
    "entries.jsonl",
    "journal.jsonl",
    "changes.jsonl",
    "checkpoints.jsonl",
    "key.txt",
)
EPOCH = (1980, 1, 1, 0, 0, 0)
PART_BYTES_MAX = 2_000_000_000
HASHES = ("prev_hash", "hash")
BYTES = (*HASHES, "digest")


def pack(parts: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    """A zip of these parts and a manifest over them; the same parts give the same bytes."""
    manifest = {**about, "sha256": {name: hashlib.sha256(body).hexdigest() for name, body in sorted(parts.items())}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in (("manifest.json", to_lines([manifest])), *((name, parts[name]) for name in PARTS)):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), body, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def unpack(data: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Parts and manifest. ValueError where it is no export."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            large = [each.filename for each in archive.infolist() if each.file_size > PART_BYTES_MAX]
            if large:
                raise ValueError(f"{large[0]} is larger than {PART_BYTES_MAX} bytes")
            parts = {name: archive.read(name) for name in (*PARTS, "manifest.json")}
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"not an audit export: {error}") from error
    manifest: dict[str, Any] = json.loads(parts.pop("manifest.json"))
    return parts, manifest


def to_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """JSON lines, canonical; bytes as hex."""
    return b"".join(
        json.dumps(_plain(row), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        for row in rows
    )


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}


def of_lines(body: bytes) -> list[dict[str, Any]]:
    """Rows of JSON lines, hashes as bytes again."""
    rows = [json.loads(line) for line in body.splitlines() if line.strip()]
    return [{k: bytes.fromhex(v) if k in BYTES and v is not None else v for k, v in row.items()} for row in rows]


def verify(data: bytes, key: str = "") -> dict[str, Any]:
    """Everything an export can prove by itself: `{"ok", "company", "checks": [{"ok", "what", "detail"}]}`.

    `key`: the public key as known from elsewhere; without it the export's own is used, and the answer says so. ValueError
    where the file is no export.
    """
    parts, manifest = unpack(data)
    own = parts["key.txt"].decode().strip()
    batches, acts = of_lines(parts["batches.jsonl"]), of_lines(parts["acts.jsonl"])
    checkpoints = checkpoint.read(parts["checkpoints.jsonl"].decode().splitlines())
    journal = [(json.loads(line)["id"], line + b"\n") for line in parts["journal.jsonl"].splitlines()]
    changed = [n for n, wanted in manifest["sha256"].items() if hashlib.sha256(parts[n]).hexdigest() != wanted]
    checks = [
        _check("parts are those of the manifest", changed, f"{len(parts)} parts"),
        _check(
            "chain of landings", [f"batch {x.row} {x.what}" for x in chain.verify(batches)], f"{len(batches)} batches"
        ),
        _check("chain of acts", [f"act {x.row} {x.what}" for x in chain.verify(acts)], f"{len(acts)} acts"),
        *books_checks(checkpoints, key or own, batches, acts, journal, given=bool(key)),
        numbers_check(of_lines(parts["entries.jsonl"])),
        _check("control totals", _totals(manifest, journal), f"{len(journal)} bookings"),
    ]
    return {"ok": all(each["ok"] for each in checks), "company": manifest["company"], "checks": checks}


def books_checks(
    checkpoints: Sequence[Checkpoint],
    key: str,
    batches: Sequence[Mapping[str, Any]],
    acts: Sequence[Mapping[str, Any]],
    journal: Iterable[tuple[int, bytes]],
    *,
    given: bool = True,
) -> list[dict[str, Any]]:
    """Checkpoints among themselves, and books against checkpoints."""
    signed = [x.what for x in checkpoint.check_chain(checkpoints, key)]
    held = [x.what for x in checkpoint.check_books(checkpoints, batches, acts, journal)]
    said = f"{len(checkpoints)} checkpoints, key {key[:16] or 'none'}" + ("" if given else " (the export's own)")
    return [
        _check("checkpoints are signed and linked", signed, said),
        _check("books hold every checkpoint", held, said),
    ]


def numbers_check(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Numbers run from 1 without gap or double, per kind of document."""
    by_kind: dict[str, list[int]] = {}
    for row in entries:
        if row["number"] is not None:
            by_kind.setdefault(row["kind"], []).append(row["number"])
    problems = []
    for kind, numbers in sorted(by_kind.items()):
        missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        double = sorted(n for n, times in Counter(numbers).items() if times > 1)
        problems += [f"{kind} {n} is missing" for n in missing[:5]] + [f"{kind} {n} is there twice" for n in double[:5]]
    detail = ", ".join(f"{kind} 1 to {max(numbers)}" for kind, numbers in sorted(by_kind.items())) or "no documents"
    return _check("numbers without gaps", problems, detail)


def _totals(manifest: Mapping[str, Any], journal: Sequence[tuple[int, bytes]]) -> list[str]:
    rows = [json.loads(line) for _, line in journal]
    found = {"bookings": len(rows), "turnover": sum(abs(row["amount"]) for row in rows)}
    wanted = manifest["totals"]
    return [f"{name}: {found[name]}, the manifest says {wanted[name]}" for name in found if found[name] != wanted[name]]


def _check(what: str, problems: Sequence[str], detail: str) -> dict[str, Any]:
    shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    return {"ok": not problems, "what": what, "detail": shown or detail}
