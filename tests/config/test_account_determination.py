"""Matrix §2: the row whose first differing key ranks higher wins; a role without an account is refused, never guessed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import Refused
from tieout.posting.accounts import KEYS, AccountKeys, AccountMap, AccountRow

DAY = date(2026, 3, 1)


def row(account: str, effective: date = date.min, **keys: str) -> AccountRow:
    return AccountRow("cogs", account, **keys, effective=effective, where=f"map:{account}:1")


FULL = AccountKeys("SKU-1", "toys", "damage", "EAST", "web", "retail")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"item": "SKU-1"}, {"category": "toys", "reason": "damage", "location": "EAST", "channel": "web"}),
        ({"category": "toys"}, {"reason": "damage", "location": "EAST", "channel": "web", "party_group": "retail"}),
        ({"reason": "damage"}, {"location": "EAST", "channel": "web", "party_group": "retail"}),
        ({"location": "EAST"}, {"channel": "web", "party_group": "retail"}),
        ({"channel": "web"}, {"party_group": "retail"}),
        ({"party_group": "retail"}, {}),
        ({"category": "toys", "party_group": "retail"}, {"category": "toys"}),
        ({"category": "toys", "location": "EAST"}, {"category": "toys", "channel": "web", "party_group": "retail"}),
    ],
)
def test_the_higher_rank_wins_in_either_order_of_rows(better: dict[str, Any], worse: dict[str, Any]) -> None:
    rows = [row("5100", **better), row("5200", **worse)]
    for ordered in (rows, rows[::-1]):
        assert AccountMap(ordered).account("cogs", FULL, DAY) == "5100"


def test_a_row_with_a_key_that_differs_or_is_unknown_does_not_apply() -> None:
    accounts = AccountMap([row("5100", category="toys"), row("5000")])
    assert accounts.account("cogs", AccountKeys(category="games"), DAY) == "5000"
    assert accounts.account("cogs", AccountKeys(), DAY) == "5000"


def test_each_day_has_the_version_in_force() -> None:
    july = date(2026, 7, 1)
    accounts = AccountMap([row("new", july, category="toys"), row("old", category="toys"), row("general")])
    keys = AccountKeys(category="toys")
    assert accounts.account("cogs", keys, july - timedelta(days=1)) == "old"
    assert accounts.account("cogs", keys, july) == "new"


def test_before_its_first_version_a_special_case_does_not_apply() -> None:
    accounts = AccountMap([row("special", date(2026, 7, 1), item="SKU-1"), row("general")])
    assert accounts.account("cogs", FULL, DAY) == "general"


def test_an_unmapped_role_is_refused_with_keys_and_fix() -> None:
    with pytest.raises(Refused) as caught:
        AccountMap([row("5000")], "ACME").account("inventory", AccountKeys(category="toys"), DAY)
    error = caught.value
    assert error.code == "TO5101"
    assert "role inventory has no account for category=toys on 2026-03-01 in company ACME" in error.message
    assert 'inventory = "ACCOUNT"` under [companies.ACME.accounts]' in str(error.fix)
    with pytest.raises(Refused, match="only special cases"):
        AccountMap([row("5000", item="X")]).account("cogs", FULL, DAY)
    with pytest.raises(Refused, match="begins on 2026-07-01"):
        AccountMap([row("5000", date(2026, 7, 1))]).account("cogs", FULL, DAY)


def test_two_equal_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="two equal rows for role cogs: map:a:1 and map:b:1"):
        AccountMap([row("a", category="toys"), row("b", category="toys")])
    AccountMap([row("a", category="toys"), row("b", category="games")])


def test_the_accounts_of_roles_are_listed_for_reconciliation() -> None:
    accounts = AccountMap([row("5100"), row("5000", item="X"), AccountRow("grni", "2100")])
    assert accounts.accounts("cogs") == ["5000", "5100"]
    assert accounts.accounts() == ["2100", "5000", "5100"]
    assert accounts.roles == {"cogs", "grni"}


def obvious(rows: list[AccountRow], keys: AccountKeys, day: date) -> str | None:
    """The rule of matrix §2 as it reads: compare two rows key by key in rank order."""
    best: AccountRow | None = None
    for candidate in rows:
        if any(mine and mine != theirs for mine, theirs in zip(candidate.keys, keys, strict=True)):
            continue
        if candidate.effective > day:
            continue
        if best is None:
            best = candidate
            continue
        for mine, theirs in zip(candidate.keys, best.keys, strict=True):
            if bool(mine) != bool(theirs):
                best = candidate if mine else best
                break
        else:
            best = candidate if candidate.effective > best.effective else best
    return best.account if best else None


values = st.sampled_from(["", "a", "b"])
all_keys = st.builds(AccountKeys, *[values] * len(KEYS))
days = st.dates(date(2026, 1, 1), date(2026, 1, 4))


@given(st.lists(st.tuples(all_keys, days), unique=True, max_size=12), all_keys, days)
def test_the_index_agrees_with_the_rule_as_it_reads(
    made: list[tuple[AccountKeys, date]], keys: AccountKeys, day: date
) -> None:
    rows = [AccountRow("cogs", str(number), *key, effective) for number, (key, effective) in enumerate(made)]
    found = AccountMap(rows).find("cogs", keys, day)
    assert (found.account if found else None) == obvious(rows, keys, day)


@given(st.lists(st.tuples(all_keys, days), unique=True, max_size=2), all_keys, days)
def test_the_short_way_of_a_role_with_one_row_says_the_same(
    made: list[tuple[AccountKeys, date]], keys: AccountKeys, day: date
) -> None:
    accounts = AccountMap(AccountRow("cogs", str(n), *key, effective) for n, (key, effective) in enumerate(made))
    found = accounts.find("cogs", keys, day)
    if found is None:
        with pytest.raises(Refused):
            accounts.account("cogs", keys, day)
    else:
        assert accounts.account("cogs", keys, day) == found.account
