"""The policies in force for one line, resolved once: which method, which pool, what happens below zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from tieout.errors import Refused
from tieout.model.policy import Policy, PolicyBook
from tieout.valuation.methods import BUILTIN, CostMethod, Fifo, Lifo
from tieout.valuation.records import HEAD, PICK, TAIL

_QUARTER: Final = 900_000_000  # µs; every UTC offset in use is a multiple of it, so a day never changes inside one
_DAYS_MAX: Final = 100_000


class Rules:
    """What one policy set means for valuation."""

    __slots__ = (
        "block",
        "by_location",
        "by_lot",
        "fixed",
        "joins",
        "method",
        "mode",
        "pick",
        "policy",
        "straight",
        "up",
    )

    def __init__(self, policy: Policy, methods: Mapping[str, type[CostMethod]]) -> None:
        method = methods.get(policy.cost_method)
        if method is None:
            raise Refused(
                f"cost method {policy.cost_method!r} is not known",
                code="TO4010",
                fix=f"use one of {', '.join(sorted(methods))}, or install the plugin that has it",
            )
        if policy.cost_method == "lifo" and policy.framework != "us_gaap":
            raise Refused(
                "cost_method = lifo is not allowed under IFRS",
                code="TO4014",
                fix="set framework = us_gaap for this book, or choose another method",
            )
        self.policy = policy
        self.method = policy.cost_method
        self.joins = method.joins
        self.fixed = method.fixed
        self.by_lot = method.by_lot
        self.by_location = policy.cost_scope == "location"
        self.block = policy.negative_stock == "block"
        self.up = policy.rounding == "half_up"
        self.mode = HEAD
        self.pick = None
        if not method.joins:
            how = method.pick
            if how is Lifo.pick:
                self.mode = TAIL
            elif how is not Fifo.pick:
                self.mode = PICK
                self.pick = method().pick
        # A shipment that is cost of sales at once, out of layers whose order is that of their receipts.
        self.straight = (
            policy.cogs_trigger == "shipment" and self.mode == HEAD and not method.fixed and not method.by_lot
        )


class RuleBook:
    """Policies by instant: `at(instant, category, channel)` in the company's own time zone, cached."""

    def __init__(self, policies: PolicyBook, timezone: str, methods: Mapping[str, type[CostMethod]] = BUILTIN) -> None:
        self.policies = policies
        self._zone = ZoneInfo(timezone)
        self._methods = methods
        self._days: dict[int, date] = {}
        self._rules: dict[tuple[date, str, str], Rules] = {}
        self._by_policy: dict[int, Rules] = {}
        self._always = len({version.effective for version in policies.versions}) <= 1 and all(
            version.effective == date.min for version in policies.versions
        )
        self.recognises_later = any(
            version.values.get("cogs_trigger", "shipment") != "shipment" for version in policies.versions
        )

        # Types that move cost only where a policy says so.
        said = {(name, value) for version in policies.versions for name, value in version.values.items()}
        self.memo: frozenset[str] = frozenset(
            kind
            for kind, wanted in (
                ("payout.paid", ("cogs_trigger", "payout_summary")),
                ("purchase.paid", ("settlement_discount", "follow_units")),
            )
            if wanted not in said
        )

    def day(self, at: int) -> date:
        """The company's calendar day of an instant (UTC µs)."""
        quarter = at // _QUARTER
        day = self._days.get(quarter)
        if day is None:
            if len(self._days) > _DAYS_MAX:
                self._days.clear()
            moment = datetime.fromtimestamp(quarter * 900, UTC)
            day = self._days[quarter] = moment.astimezone(self._zone).date()
        return day

    def start(self, day: date) -> int:
        """The first instant of a company day, in UTC µs."""
        moment = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        return int(moment.timestamp()) * 1_000_000

    def at(self, at: int, category: str, channel: str) -> Rules:
        key = (date.max if self._always else self.day(at), category, channel)
        rules = self._rules.get(key)
        if rules is None:
            policy = self.policies.at(key[0], category, channel)
            rules = self._by_policy.get(id(policy))
            if rules is None:
                rules = self._by_policy[id(policy)] = Rules(policy, self._methods)
            if len(self._rules) > _DAYS_MAX:
                self._rules.clear()
            self._rules[key] = rules
        return rules
