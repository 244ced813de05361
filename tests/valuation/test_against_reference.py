"""The engine agrees with a second valuation written from the rules alone, on random histories, for every method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from tests.valuation.golden import books
from tests.valuation.histories import History, histories, tell
from tests.valuation.reference import reference_value

METHODS = ("fifo", "weighted_average", "standard", "lifo")
SCOPES = ("entity", "location")


def agree(history: History, policy: Mapping[str, str]) -> None:
    note(tell(history))
    want = reference_value(history.events, policy, history.currency)
    got = books(history.events, policy, history.currency)
    assert not got.refused
    assert nonzero(got.stock) == nonzero(want.stock)
    assert {k: v for k, v in got.pools.items() if any(v)} == {k: v for k, v in want.pools.items() if any(v)}
    assert dict(got.totals) == want.totals
    assert nonzero(got.cost) == nonzero(want.cost)
    assert nonzero(got.final) == nonzero(want.final)
    assert got.restated == want.restatements
    assert nonzero(got.roles) == nonzero(want.roles)
    if policy["cost_method"] != "standard":
        assert nonzero(got.layers) == nonzero(want.layers)


def nonzero(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in values.items() if value}


def policy_for(method: str, scope: str, **more: str) -> dict[str, str]:
    framework = {"framework": "us_gaap"} if method == "lifo" else {}
    return {"cost_method": method, "cost_scope": scope, **framework, **more}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", METHODS)
def test_engine_and_reference_agree(method: str, scope: str) -> None:
    @given(histories(method=method))
    def check(history: History) -> None:
        agree(history, policy_for(method, scope))

    check()


@pytest.mark.parametrize("method", METHODS)
def test_engine_and_reference_agree_where_stock_never_runs_short(method: str) -> None:
    @given(histories(method=method, shortages=False, revisions_max=0, steps_max=20))
    def check(history: History) -> None:
        agree(history, policy_for(method, "entity"))

    check()


@given(
    histories(),
    st.sampled_from(METHODS[:2]),
    st.sampled_from(SCOPES),
    st.sampled_from(["half_even", "half_up"]),
    st.sampled_from(["none", "party_item"]),
)
def test_engine_and_reference_agree_under_other_policies(
    history: History, method: str, scope: str, rounding: str, match: str
) -> None:
    agree(history, policy_for(method, scope, rounding=rounding, unlinked_return_match=match))
