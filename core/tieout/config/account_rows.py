"""The account map of a company, gathered from `tieout.toml`, a CSV file and a template, and its checks.

Checked here: roles and reasons that exist, equal rows, keys finer than a cost pool on roles that hold pool value
(matrix §2, `valuation-rules` §2), and, where a chart of accounts is known, that each account exists, is active, has the
right type, takes journals and is in the company's currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from tieout.config.csvfile import Row, read_rows
from tieout.config.files import is_file
from tieout.config.positions import Path as KeyPath
from tieout.config.slip import Slips, choices, nearest
from tieout.config.tables import CompanyTable
from tieout.model.catalogue import REASONS
from tieout.model.master import Account
from tieout.model.policy import PolicyBook
from tieout.model.roles import CONTROL_ROLES, NATIVE_ROLES, ROLES
from tieout.posting.accounts import KEYS, AccountMap, AccountRow

# Roles whose balance is the value of cost pools: units enter and leave them one by one at the pool's cost.
POOL_ROLES = frozenset({"inventory", "inventory_raw", "inventory_allowance"})
_CSV_OPTIONAL = (*KEYS, "effective")
_TYPES = ("asset", "liability", "equity", "income", "expense")
_VENDOR_BANK = frozenset({"bank", "credit card"})
_VENDOR_SYSTEM = frozenset({"accounts receivable", "accounts payable", "system ar", "system ap"})


class Gathered(NamedTuple):
    """The rows of a company, and whether every source of them could be read (else a missing role proves nothing)."""

    rows: tuple[AccountRow, ...]
    whole: bool


def gather(company: CompanyTable, path: KeyPath, root: Path, templates: Mapping[str, Path], slips: Slips) -> Gathered:
    """Every row of a company's account map. Rows of the template give way to equal rows of the company's own."""
    before = len(slips.found)
    file, ready = _file_rows(company, root, slips), _template_rows(company, path, templates, slips)
    whole = len(slips.found) == before and (company.accounts_file is None or is_file(root / company.accounts_file))
    own = _clean([*_table_rows(company, path, slips), *_override_rows(company, path, slips), *file], path, slips)
    taken = {_identity(row) for row in own}
    return Gathered((*[row for row in _clean(ready, path, slips) if _identity(row) not in taken], *own), whole)


def check_pools(accounts: AccountMap, policies: PolicyBook, slips: Slips) -> None:
    """Matrix §2: roles that carry pool value may not vary by a key finer than the cost pool."""
    days = sorted({version.effective for version in policies.versions})
    for row in accounts.rows:
        if row.role not in POOL_ROLES:
            continue
        finer = [name for name in row.named() if name not in ("item", "category")]
        spans = [row.effective, *(day for day in days if day > row.effective)]
        if all(policies.at(day, row.category).cost_scope == "location" for day in spans):
            finer = [name for name in finer if name != "location"]
        if not finer:
            continue
        coarse = row.keys._replace(**dict.fromkeys(finer, ""))
        general = accounts.find(row.role, coarse, row.effective)
        if general is not None and general.account == row.account:
            continue
        by = " and ".join(finer)
        why = (
            f"one cost pool holds units of every {by}: value would enter through one account and leave through another"
        )
        location_only = finer == ["location"]
        fix = "leave these keys out" + (", or set cost_scope = location for these items" if location_only else "")
        slips.at(row.where, "TO1042", f"role {row.role} varies by {by}, finer than its cost pool", why, fix)


def check_chart(accounts: AccountMap, chart: Sequence[Account], currency: str | None, slips: Slips) -> None:
    """Compare the map with a chart of accounts (from a file, or as the ledger reports it); currency None: not known."""
    by_code = {account.code: account for account in chart}
    for row in accounts.rows:
        account = by_code.get(row.account)
        if account is None:
            why = "the ledger would refuse every entry on it"
            near = nearest(row.account, by_code)
            slips.at(
                row.where, "TO1043", f"account {row.account!r} is not in the chart", why, choices(by_code), nearest=near
            )
            continue
        for what, why, fix in _misfits(row.role, account, currency):
            slips.at(row.where, "TO1044", f"role {row.role}: account {account.code} {account.name} {what}", why, fix)
    _check_sharing(accounts, slips)


def read_chart(path: Path, name: str, slips: Slips) -> list[Account]:
    """A chart of accounts from CSV: code, name, type; optional vendor_type, currency, active, journals."""
    accounts = []
    for row in read_rows(
        path, name, ("code", "type"), ("name", "vendor_type", "currency", "active", "journals"), slips
    ):
        code, kind = _text(row, "code"), _text(row, "type").lower()
        if not code:
            continue
        if kind not in _TYPES:
            where = row["type"].where if "type" in row else row["code"].where
            near = nearest(kind, _TYPES)
            why = "the check of roles against accounts goes by type"
            slips.at(where, "TO1016", f"unknown account type {kind!r}", why, choices(_TYPES), nearest=near)
            continue
        accounts.append(
            Account(
                code=code,
                name=_text(row, "name"),
                type=kind,
                vendor_type=_text(row, "vendor_type"),
                currency=_text(row, "currency") or None,
                active=_text(row, "active").lower() not in ("no", "false", "0"),
                accepts_journals=_text(row, "journals").lower() not in ("no", "false", "0"),
            )
        )
    return accounts


def _table_rows(company: CompanyTable, path: KeyPath, slips: Slips) -> Iterable[AccountRow]:
    for role, account in company.accounts.items():
        yield AccountRow(role, account, where=_where((*path, "accounts", role), slips))


def _override_rows(company: CompanyTable, path: KeyPath, slips: Slips) -> Iterable[AccountRow]:
    for index, table in enumerate(company.account_overrides):
        keys = {name: getattr(table, name) for name in KEYS}
        where = _where((*path, "account_overrides", index, "role"), slips)
        yield AccountRow(table.role, table.account, **keys, effective=table.effective, where=where)


def _file_rows(company: CompanyTable, root: Path, slips: Slips) -> list[AccountRow]:
    if company.accounts_file is None or not is_file(root / company.accounts_file):
        return []
    return _csv_rows(root / company.accounts_file, company.accounts_file, slips)


def _template_rows(
    company: CompanyTable, path: KeyPath, templates: Mapping[str, Path], slips: Slips
) -> list[AccountRow]:
    name = company.accounts_template
    if name is None:
        return []
    if name not in templates:
        why, near = "the roles it would map stay without an account", nearest(name, templates)
        where = (*path, "accounts_template")
        slips.add("TO1011", where, f"no account template {name!r}", why, choices(templates), nearest=near)
        return []
    return _csv_rows(templates[name], templates[name].name, slips)


def _csv_rows(file: Path, name: str, slips: Slips) -> list[AccountRow]:
    rows = []
    for row in read_rows(file, name, ("role", "account"), _CSV_OPTIONAL, slips):
        role, account = _text(row, "role"), _text(row, "account")
        where = row["role"].where if "role" in row else next(iter(row.values())).where
        if not role or not account:
            missing = "role" if not role else "account"
            slips.at(where, "TO1016", f"the {missing} is empty", "the row maps nothing", "fill it in or delete the row")
            continue
        effective = _effective(row, slips)
        if effective is not None:
            keys = {key: _text(row, key) for key in KEYS}
            rows.append(AccountRow(role, account, **keys, effective=effective, where=where))
    return rows


def _effective(row: Row, slips: Slips) -> date | None:
    text = _text(row, "effective")
    if not text:
        return date.min
    try:
        return date.fromisoformat(text)
    except ValueError:
        why = "it decides from when the row holds"
        slips.at(row["effective"].where, "TO1016", f"{text!r} is not a day", why, "write it as 2026-01-31")
        return None


def _known(row: AccountRow, path: KeyPath, slips: Slips) -> bool:
    if row.reason and row.reason not in REASONS:
        why, near = "no event carries it, so the row would never apply", nearest(row.reason, REASONS)
        slips.at(row.where, "TO1017", f"unknown reason code {row.reason!r}", why, choices(REASONS), nearest=near)
    if row.role in ROLES:
        return True
    why, near = "no posting asks for it, and the role that was meant stays unmapped", nearest(row.role, ROLES)
    slips.at(row.where, "TO1040", f"unknown account role {row.role!r}", why, choices(ROLES), nearest=near)
    slips.refused.add((*path, "accounts", near or row.role))
    return False


def _clean(rows: Iterable[AccountRow], path: KeyPath, slips: Slips) -> list[AccountRow]:
    """Rows of known roles, equal ones noted and left out."""
    seen: dict[tuple[object, ...], AccountRow] = {}
    for row in rows:
        if not _known(row, path, slips):
            continue
        first = seen.setdefault(_identity(row), row)
        if first is not row:
            what = f"role {row.role} with the same keys and date is already mapped at {first.where}"
            slips.at(
                row.where, "TO1041", what, "two equal rows: neither could win", "delete one, or give it a later date"
            )
    return list(seen.values())


def _identity(row: AccountRow) -> tuple[object, ...]:
    return (row.role, row.keys, row.effective)


def _misfits(role_name: str, account: Account, currency: str | None) -> Iterable[tuple[str, str, str]]:
    role = ROLES[role_name]
    if not account.active:
        yield "is inactive", "the ledger refuses entries on it", "activate it, or map another"
    if account.type and account.type not in _fitting(role_name):
        wanted = " or ".join(_fitting(role_name))
        why = f"{role.purpose or role.name} is {role.account_class}; the statements would be wrong"
        yield f"is of type {account.type}", why, f"map an account of type {wanted}"
    if account.currency and currency and account.currency != currency:
        yield f"is kept in {account.currency}", f"the books are in {currency}", f"map an account in {currency}"
    if role_name in NATIVE_ROLES:
        return
    kind = account.vendor_type.casefold()
    if kind in _VENDOR_BANK or kind in _VENDOR_SYSTEM or not account.accepts_journals:
        which = "a bank account" if kind in _VENDOR_BANK else "a system account"
        why = "this role goes out by journal, and ledgers refuse journals on bank and system accounts"
        yield f"is {which}", why, "map a clearing account that the bank feed empties, or a user-made one"


def _fitting(role_name: str) -> tuple[str, ...]:
    role = ROLES[role_name]
    kind = role.account_class.removeprefix("contra ")
    if role.clearing or role_name.endswith("_tax"):
        return ("asset", "liability") if kind in ("asset", "liability") else (kind,)
    if role.normal == "Dr/Cr" and kind == "expense":
        return ("expense", "income")
    return (kind,)


def _check_sharing(accounts: AccountMap, slips: Slips) -> None:
    """A clearing account is explained line by line at period end, which it cannot be when it also holds something else."""
    for row in accounts.rows:
        if not ROLES[row.role].clearing:
            continue
        others = sorted(
            {other.role for other in accounts.rows if other.account == row.account and other.role != row.role}
        )
        held = [role for role in others if not ROLES[role].clearing]
        if held and row.role not in CONTROL_ROLES:
            why = "its open items could not be told from the rest at period end"
            what = f"clearing role {row.role} shares account {row.account} with {', '.join(held)}"
            slips.at(row.where, "TO1045", what, why, "give it an account of its own", level="warning")


def _where(path: KeyPath, slips: Slips) -> str:
    place = slips.positions.find(path) if slips.positions else None
    line, column = (place.line, place.column) if place else (1, 1)
    return f"{slips.file}:{line}:{column}"


def _text(row: Row, column: str) -> str:
    return row[column].text if column in row else ""
