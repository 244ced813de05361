"""Documents side by side: what a ledger holds against what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

from tieout.model.journal import Document, DocumentLine
from tieout.model.money import from_minor


def per_account(lines: Iterable[DocumentLine]) -> Counter[str]:
    """Net amount per account, in minor units; an account at zero may be among them."""
    sums: Counter[str] = Counter()
    for line in lines:
        sums[line.account] += line.amount
    return sums


def differences(document: Document, day: date, lines: Iterable[DocumentLine]) -> list[str]:
    """How what a ledger holds differs from a document, in words: day, and amount per account. Empty: it holds it."""
    out = []
    if day != document.day:
        out.append(f"date {day} instead of {document.day}")
    sent, held = per_account(document.lines), per_account(lines)
    for account in sorted(sent.keys() | held.keys()):
        if sent[account] != held[account]:
            wanted = from_minor(sent[account], document.currency)
            out.append(f"{from_minor(held[account], document.currency)} on {account} instead of {wanted}")
    return out


def size(document: Document) -> int:
    """A document's total: its debits, in minor units."""
    return sum(line.amount for line in document.lines if line.amount > 0)
