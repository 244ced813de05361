"""Account determination: which ledger account a role means for a given item, category, reason, place and party.

Matrix §2. A row may name several keys; it applies where all of them match. Keys rank item, category, reason, location,
channel, party group (the entity is the map itself: one map per company). Of the rows that apply, the one whose first
differing key ranks higher wins: walk the keys in that order, and at the first key that one row names and the other does
not, the one that names it wins. That order is the number read from "names key" as binary digits, so each role keeps its
rows by that number, highest first, and the first hit is the answer. A role that has no row is refused, never guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from tieout.errors import Refused

KEYS = ("item", "category", "reason", "location", "channel", "party_group")


class AccountKeys(NamedTuple):
    """What is known about one side of a flow; empty text is unknown and matches no row that names that key."""

    item: str = ""
    category: str = ""
    reason: str = ""
    location: str = ""
    channel: str = ""
    party_group: str = ""


class AccountRow(NamedTuple):
    """One row of the account map. Empty keys match everything. `where` is the `file:line:column` it was written at."""

    role: str
    account: str
    item: str = ""
    category: str = ""
    reason: str = ""
    location: str = ""
    channel: str = ""
    party_group: str = ""
    effective: date = date.min
    where: str = ""

    @property
    def keys(self) -> AccountKeys:
        return AccountKeys(*self[2:8])

    def named(self) -> tuple[str, ...]:
        """The names of the keys this row gives."""
        return tuple(name for name, value in zip(KEYS, self.keys, strict=True) if value)


class _Versions:
    """Rows of one role with equal keys, by effective date."""

    __slots__ = ("days", "rows")

    def __init__(self) -> None:
        self.days: list[date] = []
        self.rows: list[AccountRow] = []

    def add(self, row: AccountRow) -> None:
        at = bisect_right(self.days, row.effective)
        if at and self.days[at - 1] == row.effective:
            raise ValueError(f"two equal rows for role {row.role}: {self.rows[at - 1].where} and {row.where}")
        self.days.insert(at, row.effective)
        self.rows.insert(at, row)

    def on(self, day: date) -> AccountRow | None:
        at = bisect_right(self.days, day)
        return self.rows[at - 1] if at else None


class AccountMap:
    """Every account row of one company. Two rows with equal role, keys and effective date: ValueError."""

    def __init__(self, rows: Iterable[AccountRow] = (), company: str = "") -> None:
        self.rows = tuple(rows)
        self.company = company
        by_mask: dict[str, dict[int, dict[tuple[str, ...], _Versions]]] = {}
        for row in self.rows:
            mask, values = _mask(row)
            by_mask.setdefault(row.role, {}).setdefault(mask, {}).setdefault(values, _Versions()).add(row)
        # role → [(positions of the keys these rows name, their values → versions)], the highest rank first
        self._index = {
            role: [(_positions(mask), masks[mask]) for mask in sorted(masks, reverse=True)]
            for role, masks in by_mask.items()
        }
        # Most roles are one row without keys: they are answered without looking at keys or versions.
        alone = {role: [row for row in self.rows if row.role == role] for role in by_mask}
        self._plain = {
            role: (rows[0].effective, rows[0].account)
            for role, rows in alone.items()
            if len(rows) == 1 and not rows[0].named()
        }

    def account(self, role: str, keys: AccountKeys, day: date) -> str:
        """The account of a role on a day. Refused TO5101 when no row applies."""
        plain = self._plain.get(role)
        if plain is not None and plain[0] <= day:
            return plain[1]
        row = self.find(role, keys, day)
        if row is None:
            raise self._refusal(role, keys, day)
        return row.account

    def find(self, role: str, keys: AccountKeys, day: date) -> AccountRow | None:
        """The row that decides, or None: `account` for explanations and checks."""
        for positions, rows in self._index.get(role, ()):
            versions = rows.get(tuple([keys[i] for i in positions]))
            if versions is not None:
                row = versions.on(day)
                if row is not None:
                    return row
        return None

    @property
    def roles(self) -> frozenset[str]:
        """The roles that have any row."""
        return frozenset(self._index)

    def accounts(self, *roles: str) -> list[str]:
        """Every account that any version of these roles names (all roles when none is given), sorted."""
        return sorted({row.account for row in self.rows if not roles or row.role in roles})

    def _refusal(self, role: str, keys: AccountKeys, day: date) -> Refused:
        given = ", ".join(f"{name}={value}" for name, value in keys._asdict().items() if value) or "no keys"
        company = self.company or "COMPANY"
        later = min((row.effective for row in self.rows if row.role == role), default=None)
        if later is not None and later > day:
            hint = f"its first row begins on {later}; give one that begins earlier"
        elif role in self._index:
            hint = f'only special cases are mapped; add `{role} = "ACCOUNT"` under [companies.{company}.accounts]'
        else:
            hint = f'add `{role} = "ACCOUNT"` under [companies.{company}.accounts], then retry the exception'
        return Refused(
            f"role {role} has no account for {given} on {day} in company {company}",
            code="TO5101",
            fix=hint,
            role=role,
            keys=keys._asdict(),
        )


def _mask(row: AccountRow) -> tuple[int, tuple[str, ...]]:
    mask, values = 0, []
    for position, value in enumerate(row.keys):
        if value:
            mask |= 1 << (len(KEYS) - 1 - position)
            values.append(value)
    return mask, tuple(values)


def _positions(mask: int) -> tuple[int, ...]:
    return tuple(i for i in range(len(KEYS)) if mask & (1 << (len(KEYS) - 1 - i)))
