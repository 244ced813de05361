"""Who is right after a scenario: the tie-out, the shelves, and the ledger's own books, each asked past the other.

A ledger document is judged by what its simulator holds: every entry of the journal exactly once, nothing else of ours,
and the same balance on every account. A failure names the step, the documents, who looks after it, and what to do; what
can be undone in the ledger becomes a rollback plan.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tieout_sandbox.scenarios.house import House

SHOWN_MAX: Final = 20  # documents named in one failure
OWNERS: Final = {"deliver": "integrator", "reconcile": "controller", "stock": "warehouse", "exceptions": "controller"}
PLAN_VERSION: Final = 1


class Failure(NamedTuple):
    """One thing that is not as it must be."""

    step: str  # stock, post, deliver, reconcile, exceptions
    what: str
    documents: tuple[str, ...] = ()
    owner: str = ""
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        owner = self.owner or OWNERS.get(self.step, "controller")
        return {**self._asdict(), "documents": list(self.documents), "owner": owner}


class Verdict(NamedTuple):
    """What was found. `lost` and `doubled` count ledger documents; `plan` undoes in the ledger what is too much there."""

    failures: list[Failure]
    documents: int
    lost: int
    doubled: int
    unexplained: str
    plan: dict[str, Any] | None


def judge(house: House, *, waiting: int = 0) -> Verdict:
    """Ask everybody. `waiting`: how many exceptions the scenario itself is about and expects to be open."""
    failures: list[Failure] = []
    actions: list[dict[str, str]] = []
    expect: dict[str, dict[str, str]] = {}
    documents = lost = doubled = 0
    status = house.work.reconcile()
    failures += _tied(status)
    failures += _waiting(house, waiting)
    for code in house.businesses:
        failures += _shelves(house, code)
        if code not in house.books:
            continue
        journal = _journal(house, code)
        held = house.books[code].held()
        times = Counter(each.reference for each in held)
        documents += len(held)
        missing = sorted(set(journal) - set(times))
        lost += len(missing)
        if missing:
            fix = "tieout entries show ENTRY, then decide it: absent"
            failures.append(Failure("deliver", f"{code}: {len(missing)} entries are not there", _few(missing), fix=fix))
        seen: set[str] = set()
        for each in held:
            if each.reference in journal and each.reference not in seen:
                seen.add(each.reference)
                continue
            why = "sent twice" if each.reference in journal else "not of this journal"
            doubled += each.reference in journal
            act = {"company": code, "kind": each.kind, "number": each.number, "day": each.day.isoformat()}
            actions.append({"act": "remove", **act, "reference": each.reference, "why": why})
        expect[code] = {account: str(amount) for account, amount in sorted(_sums(journal).items())}
        failures += _balances(house, code, expect[code])
    if actions:
        named = _few([f"{a['kind']} {a['number']} {a['reference']}".strip() for a in actions])
        failures.append(Failure("deliver", f"{len(actions)} documents too many", named, fix="tieout sandbox rollback"))
    plan = None
    if actions:
        plan = {"version": PLAN_VERSION, "ledger": house.ledger, "actions": actions, "expect": expect}
    return Verdict(failures, documents, lost, doubled, status["unexplained"], plan)


def _tied(status: dict[str, Any]) -> list[Failure]:
    out = []
    for company in status["companies"]:
        for each in company["differences"]:
            text = each.get("what") or each.get("title") or json.dumps(each, default=str)
            out.append(Failure("reconcile", f"{company['company']}: {text}", _few([str(each.get("document") or "")])))
        unread = [a["account"] for a in company["accounts"] if a["ledger"] is None]
        if unread and any("could not be read" in note for note in company["notes"]):
            out.append(Failure("reconcile", f"{company['company']}: the ledger was not read", tuple(unread)))
        if company["unexplained"].strip("-0.") or not company["tied_out"]:
            text = f"{company['company']}: unexplained {company['unexplained']}"
            out.append(Failure("reconcile", text, fix="tieout reconcile"))
    return out


def _waiting(house: House, waiting: int) -> list[Failure]:
    rows = house.work.exceptions()["exceptions"]
    if len(rows) == waiting:
        return []
    named = [f"{row['id']} {row['code']} {row.get('subject', '')}: {row.get('message', '')}" for row in rows]
    text = f"{len(rows)} exceptions are open, {waiting} were expected"
    owner = next((str(row["owner"]) for row in rows if row.get("owner")), "")
    return [Failure("exceptions", text, _few(named), owner, "tieout exceptions list")]


def _shelves(house: House, code: str) -> list[Failure]:
    """The business' own count against the subledger, item by item and place by place."""
    booked: Counter[tuple[str, str]] = Counter()
    for row in house.work.valuation(company=code)["items"]:
        if row["role"] not in ("inventory_transit", "inventory_wip"):
            booked[row["item"], row["location"]] += Decimal(row["quantity"])  # type: ignore[assignment]
    stock = house.businesses[code].stock
    wrong = [
        f"{sku} at {place}: {stock[sku, place]} there, {booked[sku, place]} in the books"
        for sku, place in sorted({*stock, *booked})
        if stock[sku, place] != booked[sku, place]
    ]
    return [Failure("stock", f"{code}: {len(wrong)} quantities differ", _few(wrong))] if wrong else []


def _journal(house: House, code: str) -> dict[str, list[dict[str, Any]]]:
    """The journal's documents by reference, as the program itself exports them."""
    text = house.work.export("jsonl", company=code)["text"]
    rows = [json.loads(line, parse_float=Decimal) for line in text.splitlines() if line.strip()]
    return {row["reference"]: row["lines"] for row in rows}


def _sums(journal: dict[str, list[dict[str, Any]]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for lines in journal.values():
        for line in lines:
            sums[line["account"]] = sums.get(line["account"], Decimal(0)) + Decimal(line["amount"]) / 100
    return {account: amount for account, amount in sums.items() if amount}


def _balances(house: House, code: str, expect: dict[str, str]) -> list[Failure]:
    there = house.books[code].balances()
    wrong = [
        f"account {account}: {there.get(account, 0)} in the ledger, {expect.get(account, 0)} in the journal"
        for account in sorted({*there, *expect})
        if there.get(account, Decimal(0)) != Decimal(expect.get(account, 0))
    ]
    return [Failure("deliver", f"{code}: {len(wrong)} balances differ", _few(wrong))] if wrong else []


def _few(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name)[:SHOWN_MAX]
