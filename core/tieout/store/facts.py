"""Dated facts in the database: bills of materials, routings, prices, rates, evidence. Each change of them is an act.

A file is taken whole or not at all; a fact of a day replaces the one that was taught for that day before. Standard costs
are not kept here: they become events (`cost.standard_changed`), which the caller lands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.model.fact_rows import Fact, Slip, build, facts_of, read_text, said
from tieout.model.facts import Bom, Evidence, Facts, Price, Rate, Routing, StandardCost
from tieout.store.acts import record_act
from tieout.store.schema import fact as fact_table
from tieout.store.tx import Tx


class Taken(NamedTuple):
    """What an import did; `standards` are for the caller to land."""

    rows: int
    changed: int
    standards: list[StandardCost]


def load_facts(tx: Tx, company: int) -> Facts:
    """All dated facts of a company."""
    t = fact_table.c
    rows = tx.execute(sa.select(t.kind, t.body).where(t.company == company).order_by(t.id)).all()
    tables: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for row in rows:
        tables.setdefault(row.kind, []).extend(("", each) for each in json.loads(row.body))
    found: list[Fact] = []
    for kind, entries in tables.items():
        found += facts_of(kind, entries)[0]
    return build(found)


def read_files(paths: Iterable[Path]) -> list[Fact]:
    """The facts of files (CSV or JSON). Any wrong row refuses all: StoreError TO8024 that names every one."""
    facts: list[Fact] = []
    slips: list[Slip] = []
    for path in paths:
        found, bad = read_text(path.read_text(encoding="utf-8-sig"), path.name)
        facts += found
        slips += bad
    if slips:
        raise StoreError(
            f"{said(slips)}; nothing of it was taken",
            code="TO8024",
            where=str(slips[0].where),
            fix="mend these rows; docs/value.md lists the columns of each table",
        )
    return facts


def import_facts(tx: Tx, company: int, actor: str, path: Path) -> Taken:
    """Take a file of facts. One act names what changed, with the old and the new."""
    facts = read_files([path])
    standards = [x for x in facts if isinstance(x, StandardCost)]
    changed = put(tx, company, actor, [x for x in facts if not isinstance(x, StandardCost)])
    return Taken(len(facts), changed, standards)


def put(tx: Tx, company: int, actor: str, facts: Sequence[Fact]) -> int:
    """Store facts as of their days; equal ones change nothing. Returns how many changed."""
    wanted: dict[tuple[str, str, date], str] = {}
    for fact in facts:
        kind, code, day = _key(fact)
        wanted[kind, code, day] = json.dumps(_rows(fact), separators=(",", ":"))
    t = fact_table.c
    query = sa.select(t.id, t.kind, t.code, t.effective, t.body).where(t.company == company)
    old = {(row.kind, row.code, row.effective): (row.id, row.body) for row in tx.execute(query)}
    changed = {key: body for key, body in wanted.items() if old.get(key, (0, ""))[1] != body}
    columns = ("company", "kind", "code", "effective", "body")
    new = [
        (company, k, code, day.isoformat(), changed[k, code, day])
        for k, code, day in changed
        if (k, code, day) not in old
    ]
    tx.insert(fact_table, columns, new)
    for key in changed.keys() & old.keys():
        tx.execute(sa.update(fact_table).where(t.id == old[key][0]).values(body=changed[key]))
    if changed:
        data = [
            {
                "kind": k,
                "code": code,
                "effective": day.isoformat(),
                "is": json.loads(body),
                "was": _was(old, (k, code, day)),
            }
            for (k, code, day), body in sorted(changed.items())
        ]
        kinds = ", ".join(sorted({k for k, _, _ in changed}))
        record_act(tx, company, actor, "facts.put", f"{len(changed)} facts: {kinds}", {"facts": data})
    return len(changed)


def _was(old: dict[tuple[str, str, date], tuple[int, str]], key: tuple[str, str, date]) -> Any:
    return json.loads(old[key][1]) if key in old else None


def _key(fact: Fact) -> tuple[str, str, date]:
    if isinstance(fact, Rate):
        return "rates", fact.currency, fact.day
    kind = {Bom: "boms", Routing: "routings", Price: "prices", Evidence: "evidence"}[type(fact)]
    return kind, fact.item, fact.effective


def _rows(fact: Fact) -> list[dict[str, str]]:
    """The rows of a table that say this fact."""
    if isinstance(fact, Bom):
        day = fact.effective.isoformat()
        return [
            {"item": fact.item, "component": part.item, "quantity": str(part.quantity), "effective": day}
            for part in fact.parts
        ]
    renamed = {"cost": "standard_cost"}
    cells = {renamed.get(name, name): value for name, value in fact._asdict().items()}
    return [{name: str(value) for name, value in cells.items() if value not in (None, "")}]
