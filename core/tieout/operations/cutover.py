"""Cut-over: opening stock in, proved against the ledger, go-live recorded (matrix OPN-01 to OPN-03)."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tieout.errors import UsageError
from tieout.model.money import from_minor, to_minor
from tieout.model.quantity import from_scaled, to_scaled
from tieout.operations.acts import load_openings, read_rows
from tieout.operations.office import Office
from tieout.posting.accounts import AccountKeys
from tieout.store.acts import record_act
from tieout.store.masters import Kind

KINDS: tuple[Kind, ...] = ("item", "location")
COLUMNS = ("item", "location", "quantity", "value")


def cutover(
    office: Office, path: Path, *, go_live: str, carried: bool, approve_difference: str | None
) -> dict[str, Any]:
    """Load openings as of the start of the go-live day.

    `carried`: the ledger has the balance already (OPN-02); its inventory balance the evening before is read and compared.
    A difference is refused (TO1093) until a person explains it with `approve_difference` (OPN-03). Every wrong row is
    named at once; nothing is loaded when there is one.
    """
    day = date.fromisoformat(go_live)
    lines, total, quantity = _lines(office, path)
    ledger = None
    if carried:
        ledger = _carried(office, lines, day - timedelta(days=1))
        if ledger != total and not approve_difference:
            currency = office.desk.currency
            raise UsageError(
                f"the openings are worth {from_minor(total, currency)}, the ledger carries {from_minor(ledger, currency)}",
                code="TO1093",
                amount=f"{from_minor(total - ledger, currency)} {currency}",
                fix="correct the file or the ledger, or explain it: --approve-difference 'why' (posted to migration_difference)",
            )
    text = None if ledger is None else from_minor(ledger, office.desk.currency)
    landed = load_openings(office, day, lines, text)
    with office.desk.store.write() as tx:
        data = {"file": str(path), "value": total, "ledger": ledger, "difference": approve_difference or ""}
        record_act(tx, office.desk.id, office.desk.actor, "cutover", go_live, data)
        office.desk.store.set_meta(
            tx, f"cutover:{office.desk.id}", str(office.desk.days.end_of(day - timedelta(days=1)))
        )
    kept = office.books.keep()
    return {
        "go_live": go_live,
        "lines": len(lines),
        "events": len(landed.events),
        "quantity": from_scaled(quantity),
        "value": from_minor(total, office.desk.currency),
        "ledger": text,
        "difference": None if ledger is None else from_minor(total - ledger, office.desk.currency),
        "entries": kept.entries,
        "next": "tieout run",
    }


def _lines(office: Office, path: Path) -> tuple[list[dict[str, Any]], int, int]:
    masters, currency = office.desk.masters, office.desk.currency
    wrong: list[str] = []
    lines: list[dict[str, Any]] = []
    total = quantity = 0
    for number, row in read_rows(path, COLUMNS):
        try:
            for kind in KINDS:
                if not masters.knows(kind, row.get(kind, "")):
                    raise ValueError(
                        f"unknown {kind} {row.get(kind, '')!r}; {masters.fix(kind, '', row.get(kind, ''))}"
                    )
            total += to_minor(row.get("value", ""), currency, "value")
            quantity += to_scaled(row.get("quantity", ""))
        except ValueError as error:
            wrong.append(f"{path}:{number}: {error}")
            continue
        amount = row.pop("value")
        lines.append({**row, "amount": amount, "id": str(len(lines) + 1)})
    if wrong:
        raise UsageError(f"{len(wrong)} rows cannot be loaded; nothing was", where=wrong[0], fix="\n  ".join(wrong))
    if not lines:
        raise UsageError("the file has no rows", where=str(path))
    return lines, total, quantity


def _carried(office: Office, lines: list[dict[str, Any]], day: date) -> int:
    """What the ledger carries on the accounts these items' stock will be on."""
    desk, ledger = office.desk, office.desk.ledger()
    if ledger is None:
        raise UsageError("there is no ledger to compare with", fix="configure one, or leave out --ledger-carries")
    accounts = set()
    for line in lines:
        item = desk.item(line["item"])
        role = "inventory_raw" if item.kind == "raw" else "inventory"
        keys = AccountKeys(item=item.sku, category=item.category, location=line["location"])
        accounts.add(desk.company.accounts.account(role, keys, day))
    return sum(balance.amount for balance in ledger.balances(sorted(accounts), day))
