"""Documents → beancount text, and the rules for what may be written."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from tieout import Document, DocumentLine, Money, Rejected

KINDS = ("journal", "bill", "vendor_credit", "invoice", "credit_memo")
ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,63}")
_KEY = re.compile(r"[a-z][A-Za-z0-9_-]+")
_OURS = ("tieout", "kind", "number", "corrects", "filename", "lineno")
_DIMENSION = re.compile(r"[A-Za-z0-9_-]+")


def quoted(text: str) -> str:
    """A beancount string. Line ends and tabs are escaped, so an entry's lines are its own."""
    clean = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{"".join(c if c >= " " else " " for c in clean)}"'


def valid_account(name: str) -> bool:
    """Beancount's rule: two or more parts; a capital letter or digit first, then letters, digits and hyphens."""
    parts = name.split(":")
    return len(parts) > 1 and all(_valid_part(p) for p in parts) and unicodedata.category(name[0]) == "Lu"


def _valid_part(part: str) -> bool:
    kinds = [unicodedata.category(c) for c in part]
    first = bool(kinds) and kinds[0] in ("Lu", "Nd")
    return first and all(k[0] == "L" or k == "Nd" or c == "-" for k, c in zip(kinds, part, strict=True))


def nearest_account(name: str) -> str:
    """A valid name made of an invalid one: `assets:stock main` → `Assets:Stock-main`."""
    parts = ["".join(c if c.isalnum() else "-" for c in p).strip("-") for p in name.split(":")]
    parts = [p[:1].upper() + p[1:] for p in parts if p]
    if not parts or parts[0] not in ROOTS:
        parts = ["Assets", *parts]
    return ":".join(parts) if len(parts) > 1 else f"{parts[0]}:Other"


def _refuse(document: Document, message: str, fix: str) -> Rejected:
    return Rejected(message, code="TO6101", where=document.reference, fix=fix)


def check(document: Document) -> None:
    """Rejected TO6101 when the document cannot be written as valid beancount."""
    if document.kind not in KINDS:
        raise _refuse(document, f"kind {document.kind!r} is not known", f"one of {', '.join(KINDS)}")
    if not REFERENCE.fullmatch(document.reference):
        raise _refuse(document, f"reference {document.reference!r} cannot be a link", "letters, digits, - _ . / only")
    for line in document.lines:
        if not valid_account(line.account):
            fix = f"use {nearest_account(line.account)} in the account map"
            raise _refuse(document, f"account {line.account!r} is not a beancount account name", fix)
        for key, _ in line.dimensions:
            if not _DIMENSION.fullmatch(key):
                raise _refuse(document, f"dimension {key!r} cannot be a metadata key", "letters, digits, - and _ only")
    total = sum(line.amount for line in document.lines)
    if total or not document.lines:
        raise Rejected(
            "the document does not balance" if total else "the document has no lines",
            code="TO6101",
            where=document.reference,
            amount=str(Money(total, document.currency)),
            fix="report this: documents balance by construction",
        )


def render(document: Document) -> bytes:
    """The entry's exact text, one transaction, UTF-8, ending in a line end. The same document gives the same bytes."""
    check(document)
    strings = [document.party, document.narration] if document.party else [document.narration]
    header = f"{document.day.isoformat()} * {' '.join(map(quoted, strings))} ^{document.reference}"
    out = [header, f"  tieout: {quoted(document.reference)}", f"  kind: {quoted(document.kind)}"]
    if document.number:
        out.append(f"  number: {quoted(document.number)}")
    if document.corrects_period:
        out.append(f"  corrects: {quoted(document.corrects_period)}")
    used: set[str] = set(_OURS)
    for key, value in document.metadata.items():
        name = _key(str(key), used)
        out.append(f"  {name}: {_value(value)}")
    for line in document.lines:
        amount = str(Money(line.amount, document.currency))
        out.append(f"  {line.account:<50} {amount:>16}")
        out.extend(f"    {text}" for text in _line_metadata(line))
    return ("\n".join(out) + "\n").encode()


def _line_metadata(line: DocumentLine) -> list[str]:
    found = [
        f"{key}: {quoted(value)}"
        for key, value in (("role", line.role), ("location", line.location), ("memo", line.memo), ("party", line.party))
        if value
    ]
    if line.quantity:
        found.append(f"qty: {Decimal(line.quantity).scaleb(-6).normalize():f}")
    return found + [f"dim-{key}: {quoted(value)}" for key, value in line.dimensions]


def _key(key: str, used: set[str]) -> str:
    """A valid metadata key that no other line of this entry has."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", key)
    if not _KEY.fullmatch(name) or name in used:
        name = f"x-{name}"
    while name in used:
        name += "-2"
    used.add(name)
    return name


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, Decimal)):
        return f"{Decimal(value):f}"
    if isinstance(value, date):
        return value.isoformat()[:10]
    return quoted(value if isinstance(value, str) else msgspec.json.encode(value).decode())
