"""Export: the journal's sealed documents in formats other programs read.

Amounts are exact decimal text, debit positive. Accounts keep their names where the format allows them; Beancount takes
only its five roots, so any other name is put under the root of its role's class and keeps the original in `account`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.errors import PluginError, UsageError
from tieout.model.journal import Document, DocumentLine
from tieout.model.money import from_minor
from tieout.model.quantity import from_scaled
from tieout.model.roles import ROLES
from tieout.operations.office import Office
from tieout.posting.reference import parse
from tieout.store.outbox import WITHDRAWN
from tieout.store.schema import entry

_ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_BEANCOUNT_ACCOUNT = re.compile(rf"(?:{'|'.join(_ROOTS)})(?::[A-Z0-9][A-Za-z0-9-]*)+")
_KEY = re.compile(r"[a-z][A-Za-z0-9_-]+")
# account class of a role → Beancount root, by the class's first word
_CLASS_ROOTS = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "revenue": "Income",
    "income": "Income",
}


class Exported(NamedTuple):
    """A sealed entry: its number in the books, its canonical document and that document's text."""

    number: int | None
    ledger_id: str
    document: Document
    text: str


def export(office: Office, form: str) -> dict[str, Any]:
    """Sealed entries in a form (beancount, hledger, csv, jsonl, or one a plugin adds), oldest day first.

    `entries` counts the documents in `text`, `unsealed` the entries still open. Entries that were withdrawn, and those
    that net to nothing, have no document to show. UsageError for an unknown form.
    """
    own: dict[str, Callable[[Sequence[Exported]], str]] = {
        "beancount": _beancount,
        "hledger": _hledger,
        "csv": _csv,
        "jsonl": _jsonl,
    }
    exported, unsealed = _sealed(office)
    if form in own:
        text = own[form](exported)
    else:
        text = _by_plugin(office, form, list(own), [each.document for each in exported])
    return {"form": form, "entries": len(exported), "unsealed": unsealed, "text": text}


def _sealed(office: Office) -> tuple[list[Exported], int]:
    desk, e = office.desk, entry.c
    live = (e.company == desk.id, e.state != WITHDRAWN)
    with desk.store.read() as rx:
        query = sa.select(e.number, e.ledger_id, e.document).where(*live, e.document.is_not(None))
        rows = rx.execute(query.order_by(e.day, e.number, e.id)).all()
        open_count = rx.execute(sa.select(sa.func.count()).where(*live, e.sealed_at.is_(None))).scalar()
    return [Exported(row.number, row.ledger_id or "", parse(row.document), row.document) for row in rows], int(
        open_count or 0
    )


def _by_plugin(office: Office, form: str, own: Sequence[str], documents: Sequence[Document]) -> str:
    exporters, errors = office.desk.project.plugins.named("tieout_exporters")
    if form not in exporters:
        broken = "; ".join(str(error) for error in errors)
        raise UsageError(
            f"there is no export format {form!r}" + (f" ({broken})" if broken else ""),
            fix=f"one of: {', '.join(sorted([*own, *exporters]))}",
        )
    text = exporters[form](documents)
    if not isinstance(text, str):
        raise PluginError(f"exporter {form} answered {type(text).__name__}, not text", code="TO9007")
    return text


# ── beancount ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _beancount(exported: Sequence[Exported]) -> str:
    if not exported:
        return ""
    lines = [line for each in exported for line in each.document.lines]
    names = _beancount_names(lines)
    first = min(each.document.day for each in exported)
    currencies = sorted({each.document.currency for each in exported})
    out = [f'option "operating_currency" "{currency}"' for currency in currencies] + [""]
    out += [f"{first} open {name}" for name in sorted(set(names.values()))] + [""]
    for each in exported:
        out += [*_transaction(each, names), ""]
    return "\n".join(out)


def _transaction(each: Exported, names: Mapping[str, str]) -> Iterable[str]:
    document = each.document
    yield f"{document.day} * {_quoted(document.narration)}"
    given = {
        "reference": document.reference,
        "entry": str(each.number or ""),
        "kind": document.kind,
        "number": document.number,
        "party": document.party,
        "corrects": document.corrects_period,
        "ledger-id": each.ledger_id,
    }
    yield from (f"  {key}: {_quoted(value)}" for key, value in given.items() if value)
    for line in document.lines:
        yield f"  {names[line.account]}  {from_minor(line.amount, document.currency)} {document.currency}"
        more = {"account": line.account} if names[line.account] != line.account else {}
        more |= {"location": line.location} if line.location else {}
        more |= {key: value for key, value in line.dimensions if _KEY.fullmatch(key) and key not in more}
        yield from (f"    {key}: {_quoted(value)}" for key, value in more.items())


def _beancount_names(lines: Iterable[DocumentLine]) -> dict[str, str]:
    """Account → a name Beancount takes; two accounts never share one."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for line in sorted(lines, key=lambda line: (line.account, line.role)):
        if line.account in names:
            continue
        name = line.account if _BEANCOUNT_ACCOUNT.fullmatch(line.account) else _under_root(line)
        plain, n = name, 1
        while name in taken:
            n += 1
            name = f"{plain}-{n}"
        names[line.account] = name
        taken.add(name)
    return names


def _under_root(line: DocumentLine) -> str:
    role = ROLES.get(line.role)
    words = role.account_class.lower().split() if role else []
    root = next((_CLASS_ROOTS[word] for word in words if word in _CLASS_ROOTS), "Expenses")
    parts = [re.sub(r"[^A-Za-z0-9-]+", "-", part).strip("-") for part in line.account.split(":")]
    kept = [part[0].upper() + part[1:] for part in parts if part and part not in _ROOTS]
    return ":".join([root, *(kept or ["Unnamed"])])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


# ── hledger ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _hledger(exported: Sequence[Exported]) -> str:
    """A journal file. An account's name ends at two spaces, so there is never more than one inside it."""
    accounts = sorted({_one_line(line.account) for each in exported for line in each.document.lines})
    out = ["decimal-mark .", "", *(f"account {account}" for account in accounts), ""]
    for each in exported:
        document = each.document
        code = document.reference or document.number
        head = f"{document.day} *" + (f" ({_one_line(code).replace(')', ']')})" if code else "")
        out.append(f"{head} {_one_line(document.narration).replace(';', ',').replace('|', '/')}")
        if document.corrects_period:
            out.append(f"    ; corrects: {_one_line(document.corrects_period)}")
        width = max((len(_one_line(line.account)) for line in document.lines), default=0)
        for line in document.lines:
            amount = f"{from_minor(line.amount, document.currency)} {document.currency}"
            tags = [("location", line.location), *line.dimensions]
            comment = ", ".join(f"{key}: {_one_line(value).replace(',', ' ')}" for key, value in tags if value)
            out.append(f"    {_one_line(line.account):<{width}}  {amount}" + (f"  ; {comment}" if comment else ""))
        out.append("")
    return "\n".join(out)


def _one_line(text: str) -> str:
    return " ".join(text.split())


# ── csv and jsonl ──────────────────────────────────────────────────────────────────────────────────────────────────
_COLUMNS = (
    "entry",
    "reference",
    "ledger_id",
    "kind",
    "number",
    "day",
    "corrects_period",
    "narration",
    "account",
    "amount",
    "currency",
    "role",
    "location",
    "quantity",
    "party",
    "memo",
    "dimensions",
)


def _csv(exported: Sequence[Exported]) -> str:
    """One row a line of a document."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for each in exported:
        document = each.document
        for line in document.lines:
            writer.writerow(
                (
                    each.number or "",
                    document.reference,
                    each.ledger_id,
                    document.kind,
                    document.number,
                    document.day.isoformat(),
                    document.corrects_period,
                    document.narration,
                    line.account,
                    from_minor(line.amount, document.currency),
                    document.currency,
                    line.role,
                    line.location,
                    from_scaled(line.quantity),
                    line.party or document.party,
                    line.memo,
                    json.dumps(dict(line.dimensions), sort_keys=True) if line.dimensions else "",
                )
            )
    return file.getvalue()


def _jsonl(exported: Sequence[Exported]) -> str:
    """The canonical documents as sealed, byte for byte, one a line. Amounts are minor units of `currency`."""
    return "".join(f"{each.text}\n" for each in exported)
