"""Which type has a money side, and the rule that gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.model.policy import PolicyBook
from tieout.settlement import orders, payouts, purchases, remeasure
from tieout.settlement.related import ORDERS
from tieout.settlement.terms import Terms

Rule: TypeAlias = Callable[[Terms, EventLine], list[Flow]]

_ALWAYS: Final[Mapping[str, Rule]] = {
    "purchase.prepaid": purchases.prepaid,
    "purchase.paid": purchases.paid,
    "consignment.settled": purchases.settled,
    "claim.accepted": payouts.claimed,
    "warranty.provided": payouts.warranted,
    "fx.remeasured": remeasure.remeasured,
    "giftcard.sold": payouts.card_sold,
    "giftcard.broken": payouts.card_broken,
    "payout.paid": payouts.paid,
    "payout.adjusted": payouts.adjusted,
    "dispute.changed": payouts.disputed,
    "reserve.changed": payouts.reserved,
}
# Types whose money is ours only where `revenue_trigger` is not `external`.
_SELLING: Final[Mapping[str, Rule]] = dict.fromkeys(sorted(ORDERS), orders.flows)

RULES: Final[Mapping[str, Rule]] = {**_ALWAYS, **_SELLING}

# Types beside these whose change may change the money of others.
LOOKED_AT: Final = frozenset({"purchase.received", "purchase.billed", "landed_cost.billed"})


def rules_under(policies: PolicyBook) -> Mapping[str, Rule]:
    """The rules that can ever apply under these policies: without a revenue trigger, shipments have no money side."""
    sells = any(version.values.get("revenue_trigger", "external") != "external" for version in policies.versions)
    return RULES if sells else _ALWAYS
