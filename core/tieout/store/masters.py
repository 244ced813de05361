"""Master data in memory: what items, locations and parties are, and which vendor id means which, from which day.

    code = masters.resolve("item", "shop", "SKU-9", day)      None: unknown, never guessed
    item = masters.item(code)

A company's master data is loaded whole (tens of thousands of rows) and read without the database; `Masters.load` again
after a change. An alias for one connection goes before one for all connections (`''`), and both before a code that is
simply the same word. Aliases are effective-dated: the latest not after the day counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from shlex import quote
from typing import Literal

import sqlalchemy as sa

from tieout.errors import StoreError
from tieout.model.master import Item, Location, Party
from tieout.store.acts import record_act
from tieout.store.schema import alias as alias_table
from tieout.store.schema import master as master_table
from tieout.store.tx import Tx

Kind = Literal["item", "location", "party"]
MODELS: Mapping[str, type[Item | Location | Party]] = {"item": Item, "location": Location, "party": Party}
KEY_FIELD: Mapping[str, str] = {"item": "sku", "location": "code", "party": "code"}
ALWAYS = date.min
NEAREST_MAX = 200


class Masters:
    """Master data of one company as of loading. Read-only; the functions below change the database."""

    def __init__(self, company: int) -> None:
        self.company = company
        self._bodies: dict[str, dict[str, list[tuple[date, str]]]] = {kind: {} for kind in MODELS}
        self._aliases: dict[tuple[str, str], dict[str, list[tuple[date, str]]]] = {}
        self._folds: dict[str, dict[str, str]] = {}
        self._nearest: dict[tuple[str, str], list[str]] = {}
        self._models: dict[tuple[str, str, date], Item | Location | Party] = {}

    @classmethod
    def load(cls, tx: Tx, company: int) -> Masters:
        """Read a company's master data and aliases."""
        self = cls(company)
        t, a = master_table.c, alias_table.c
        query = sa.select(t.kind, t.code, t.effective, t.body).where(t.company == company).order_by(t.effective)
        for kind, code, effective, body in tx.connection.execute(query):
            self._bodies[kind].setdefault(code, []).append((effective, body))
        taught = sa.select(a.kind, a.connection, a.external, a.effective, a.code).where(a.company == company)
        for kind, connection, external, effective, code in tx.connection.execute(taught.order_by(a.effective)):
            self._aliases.setdefault((kind, connection), {}).setdefault(external, []).append((effective, code))
        return self

    def resolve(self, kind: Kind, connection: str, external: str, day: date = date.max) -> str | None:
        """Our code for a vendor's id on a day, None when nobody taught it."""
        seen = external
        for _ in range(8):  # an alias may lead to a code that was merged into another since
            found = self._alias(kind, connection, seen, day)
            if found is None or found == seen:
                break
            seen = found
        return seen if seen in self._bodies[kind] else None

    def _alias(self, kind: str, connection: str, external: str, day: date) -> str | None:
        for where in (connection, "") if connection else ("",):
            versions = self._aliases.get((kind, where), {}).get(external)
            if versions:
                at = bisect_right(versions, day, key=lambda version: version[0])
                if at:
                    return versions[at - 1][1]
        return None

    def is_dated(self, kind: Kind, connection: str, external: str) -> bool:
        """Whether the answer of `resolve` for this id depends on the day (chains of aliases count as dated)."""
        for where in (connection, ""):
            versions = self._aliases.get((kind, where), {}).get(external, ())
            if any(effective != ALWAYS or self._alias(kind, "", code, date.max) for effective, code in versions):
                return True
        return False

    def item(self, code: str, day: date = date.max) -> Item:
        """An item as known on a day (its first version before that). Unknown code: StoreError TO8015."""
        found = self._model("item", code, day)
        assert isinstance(found, Item)
        return found

    def location(self, code: str, day: date = date.max) -> Location:
        """A location; unknown code: StoreError TO8015."""
        found = self._model("location", code, day)
        assert isinstance(found, Location)
        return found

    def party(self, code: str, day: date = date.max) -> Party:
        """A party; unknown code: StoreError TO8015."""
        found = self._model("party", code, day)
        assert isinstance(found, Party)
        return found

    def _model(self, kind: Kind, code: str, day: date) -> Item | Location | Party:
        versions = self._bodies[kind].get(code)
        if not versions:
            raise StoreError(
                f"there is no {kind} {code!r}", code="TO8015", where=code, fix=self.fix(kind, "", code), kind=kind
            )
        at = max(bisect_right(versions, day, key=lambda version: version[0]) - 1, 0)
        key = (kind, code, versions[at][0])
        model = self._models.get(key)
        if model is None:
            model = self._models[key] = MODELS[kind].model_validate_json(versions[at][1])
        return model

    def codes(self, kind: Kind) -> list[str]:
        """Every code of a kind, sorted."""
        return sorted(self._bodies[kind])

    def knows(self, kind: Kind, code: str) -> bool:
        return code in self._bodies[kind]

    def aliases(self, kind: Kind) -> list[tuple[str, str, str, date]]:
        """(connection, external id, our code, effective) of a kind, sorted."""
        return sorted(
            (connection, external, code, effective)
            for (of, connection), table in self._aliases.items()
            if of == kind
            for external, versions in table.items()
            for effective, code in versions
        )

    def nearest(self, kind: Kind, external: str, limit: int = 3) -> list[str]:
        """Known codes that look most like an unknown id, best first, ignoring case: alike ones, then those that are a
        part of it."""
        by_fold = {code.casefold(): code for code in self._bodies[kind]}
        wanted = external.casefold()
        alike = get_close_matches(wanted, by_fold, n=limit, cutoff=0.6)  # ratio
        parts = [fold for fold in by_fold if len(fold) > 1 and wanted.startswith(fold) and fold not in alike]
        return [by_fold[fold] for fold in [*alike, *sorted(parts, key=len, reverse=True)][:limit]]

    def fix(self, kind: Kind, connection: str, external: str) -> str:
        """The command that teaches an unknown id, with the nearest known codes."""
        near = self.nearest(kind, external)
        group = {"item": "items", "location": "locations", "party": "parties"}[kind]
        target = near[0] if near else "CODE"
        at = f" --connection {connection}" if connection else ""
        hint = f" (nearest known: {', '.join(near)})" if near else ""
        return f"tieout {group} alias {quote(external)} {quote(target)}{at}{hint}, or tieout {group} import FILE"


# ── changes, each an act ───────────────────────────────────────────────────────────────────────────────────────────
def put(
    tx: Tx,
    company: int,
    actor: str,
    models: Iterable[Item | Location | Party],
    *,
    effective: date = ALWAYS,
) -> int:
    """Store master records as from a day; equal ones change nothing. Returns how many changed. One act for the set."""
    wanted: dict[str, dict[str, str]] = {}
    for model in models:
        kind = _kind_of(model)
        wanted.setdefault(kind, {})[getattr(model, KEY_FIELD[kind])] = model.model_dump_json(exclude_defaults=True)
    day, total = effective.isoformat(), 0
    for kind, bodies in wanted.items():
        equal = {"company": company, "kind": kind, "effective": day}
        rows = tx.select_keys(master_table, ("code", "id", "body"), "code", bodies, **equal)
        old = {code: (number, body) for code, number, body in rows}
        changed = {code: body for code, body in bodies.items() if old.get(code, (0, ""))[1] != body}
        new = [(company, kind, code, day, body) for code, body in changed.items() if code not in old]
        tx.insert(master_table, ("company", "kind", "code", "effective", "body"), new)
        for code in changed.keys() & old.keys():
            tx.execute(sa.update(master_table).where(master_table.c.id == old[code][0]).values(body=changed[code]))
        if changed:
            data = {"effective": day, "records": [changed[code] for code in sorted(changed)]}
            record_act(tx, company, actor, f"{kind}.put", f"{len(changed)} {kind} records", data)
        total += len(changed)
    return total


def _kind_of(model: Item | Location | Party) -> str:
    return next(kind for kind, of in MODELS.items() if isinstance(model, of))


def add_alias(
    tx: Tx,
    company: int,
    actor: str,
    kind: Kind,
    *,
    external: str,
    code: str,
    connection: str = "",
    effective: date = ALWAYS,
) -> bool:
    """Teach that `external` of a connection ('' for all) means `code` from a day on. False when that was known already.

    `code` must be a known record: StoreError TO8015 otherwise, with the nearest ones.
    """
    masters = Masters.load(tx, company)
    if not masters.knows(kind, code):
        near = masters.nearest(kind, code)
        raise StoreError(
            f"there is no {kind} {code!r}" + (f"; nearest: {', '.join(near)}" if near else ""),
            code="TO8015",
            where=code,
            fix=f"import it first: tieout {'parties' if kind == 'party' else kind + 's'} import FILE",
        )
    return bool(put_aliases(tx, company, actor, kind, [(connection, external, code)], effective=effective))


def put_aliases(
    tx: Tx,
    company: int,
    actor: str,
    kind: Kind,
    aliases: Iterable[tuple[str, str, str]],
    *,
    effective: date = ALWAYS,
) -> int:
    """Store (connection, external, code) as from a day on; equal ones change nothing. Returns how many changed.

    The caller has checked the codes. One act for the set.
    """
    wanted = {(connection, external): code for connection, external, code in aliases}
    day = effective.isoformat()
    equal = {"company": company, "kind": kind, "effective": day}
    columns = ("connection", "external", "id", "code")
    rows = tx.select_keys(alias_table, columns, "external", {external for _, external in wanted}, **equal)
    old = {(connection, external): (number, code) for connection, external, number, code in rows}
    changed = {key: code for key, code in wanted.items() if old.get(key, (0, ""))[1] != code}
    new = [(company, kind, *key, code, day) for key, code in changed.items() if key not in old]
    tx.insert(alias_table, ("company", "kind", "connection", "external", "code", "effective"), new)
    for key in changed.keys() & old.keys():
        tx.execute(sa.update(alias_table).where(alias_table.c.id == old[key][0]).values(code=changed[key]))
    if changed:
        taught = [[*key, code, old.get(key, (0, None))[1]] for key, code in sorted(changed.items())]
        subject = taught[0][1] if len(taught) == 1 else f"{len(taught)} {kind} aliases"
        data = {"effective": day, "aliases": taught}  # connection, external, code, what it meant before
        record_act(tx, company, actor, f"{kind}.alias", str(subject), data)
    return len(changed)


def retire(tx: Tx, company: int, actor: str, *, old: str, into: str, effective: date) -> None:
    """From a day on, every id that meant item `old` means `into` (matrix ADJ-10). The units move by an event of the caller."""
    masters = Masters.load(tx, company)
    for code in (old, into):
        masters.item(code)
    if old == into or masters.resolve("item", "", into, effective) == old:
        raise StoreError(f"{old!r} cannot be merged into itself", code="TO8015", where=old)
    put_aliases(tx, company, actor, "item", [("", old, into)], effective=effective)
