"""Policies of matrix §3: chosen per company, overridden per item category, versioned with an effective date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Policy(BaseModel):
    """One policy set; the first value of each list in matrix §3 is the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    cost_method: str = "fifo"  # fifo, weighted_average, standard, specific, lifo, or one a plugin adds
    cost_scope: Literal["entity", "location"] = "entity"
    receipt_accrual: Literal["grni", "at_bill"] = "grni"
    receipt_confirmation: Literal["direct", "pending"] = "direct"
    cogs_trigger: Literal["shipment", "delivery", "invoice", "payout_summary"] = "shipment"
    revenue_trigger: Literal["external", "shipment", "delivery", "invoice", "payout_summary"] = "external"
    returns_model: Literal["actual", "estimate"] = "actual"
    return_cost: Literal["original_issue", "current_cost"] = "original_issue"
    bill_variance: Literal["follow_units", "expense"] = "follow_units"
    rounding: Literal["half_even", "half_up"] = "half_even"
    negative_stock: Literal["provisional", "block"] = "provisional"
    framework: Literal["ifrs", "us_gaap"] = "ifrs"
    found_cost: Literal["pool_average"] = "pool_average"
    count_reopen: Literal["recompute", "hold"] = "recompute"
    unknown_reason: Literal["hold", "suspense"] = "hold"
    method_change: Literal["carry_value", "retrospective"] = "carry_value"
    bill_owner: Literal["tieout", "ledger"] = "tieout"
    unlinked_return_match: Literal["none", "party_item"] = "none"
    unlinked_bill_match: Literal["none", "party_item"] = "none"
    fx_bill_difference: Literal["exchange_difference", "inventory_cost"] = "exchange_difference"
    settlement_discount: Literal["cost_of_sales", "follow_units"] = "cost_of_sales"
    transfer_transit: Literal["two_step", "one_step"] = "two_step"
    disassembly_value: Literal["component_cost", "allocate_all"] = "component_cost"
    book: str = "main"
    locked_period: Literal["next_open_period", "hold", "reject"] = "next_open_period"
    donation_measure: Literal["carrying_amount", "fair_value"] = "carrying_amount"


class PolicyVersion(BaseModel):
    """Values that hold from a day on, for the whole company or for one item category or channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    effective: date = date.min
    category: str | None = None
    channel: str | None = None
    values: Mapping[str, Any]


class PolicyBook:
    """Every policy version of one company. `at(day, category, channel)` is the set in force: general values first,
    then the category's, then the channel's, each the latest version not after the day. Results are cached."""

    def __init__(self, versions: Sequence[PolicyVersion] = ()) -> None:
        self.versions = tuple(sorted(versions, key=lambda v: v.effective))
        self._days = sorted({v.effective for v in self.versions})
        self._cache: dict[tuple[int, str, str], Policy] = {}
        for version in self.versions:
            Policy(**dict(version.values))  # a wrong value is refused here, not on first use

    @classmethod
    def of(cls, **values: Any) -> PolicyBook:
        """A book with one version for everything: `PolicyBook.of(cost_method='standard')`."""
        return cls([PolicyVersion(values=values)])

    def at(self, day: date, category: str = "", channel: str = "") -> Policy:
        generation = sum(1 for effective in self._days if effective <= day)
        key = (generation, category, channel)
        policy = self._cache.get(key)
        if policy is None:
            policy = self._cache[key] = self._resolve(day, category, channel)
        return policy

    def _resolve(self, day: date, category: str, channel: str) -> Policy:
        values: dict[str, Any] = {}
        for wanted in (
            (None, None),
            (category or None, None),
            (None, channel or None),
            (category or None, channel or None),
        ):
            for version in self.versions:
                if version.effective <= day and (version.category, version.channel) == wanted:
                    values.update(version.values)
        return Policy(**values)
