"""Which account roles a company needs: the rows that its event types can post under its policies (matrix §5-§18).

Only roles that every such row, or its ordinary course, posts to are asked for. What a rare row needs beyond them is
found by account determination itself, which refuses the one event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path

from tieout.model.catalogue import EVENT_TYPES, REASONS
from tieout.model.policy import Policy, PolicyBook

MAPPING_BYTES_MAX = 4_000_000
Condition = Callable[[Policy], bool]


def _always(_: Policy) -> bool:
    return True


def _standard(policy: Policy) -> bool:
    return policy.cost_method == "standard"


def _accrues(policy: Policy) -> bool:
    return policy.receipt_accrual == "grni"


def _pending(policy: Policy) -> bool:
    return policy.receipt_confirmation == "pending"


def _on_shipment(policy: Policy) -> bool:
    return policy.cogs_trigger == "shipment"


def _on_delivery(policy: Policy) -> bool:
    return policy.cogs_trigger == "delivery"


def _on_invoice(policy: Policy) -> bool:
    return policy.cogs_trigger in ("invoice", "payout_summary")


def _sells(policy: Policy) -> bool:
    return policy.revenue_trigger != "external"


def _two_step(policy: Policy) -> bool:
    return policy.transfer_transit == "two_step"


def _ifrs(policy: Policy) -> bool:
    return policy.framework == "ifrs"


def _suspends(policy: Policy) -> bool:
    return policy.unknown_reason == "suspense"


# event type → (matrix row, under which policy, roles)
_NEEDS: Mapping[str, tuple[tuple[str, Condition, str], ...]] = {
    "purchase.prepaid": (("PUR-03", _always, "vendor_prepayment bank"),),
    "purchase.title_passed": (("PUR-04", _always, "inventory_inbound grni"),),
    "commitment.assessed": (("PUR-02", _always, "write_down onerous_provision"),),
    "clearing.written_off": (("PUR-19", _always, "grni grni_writeoff"),),
    "purchase.received": (
        ("PUR-05", _always, "inventory grni"),
        ("PUR-06", _pending, "inventory_pending grni"),
        ("STD-01", _standard, "ppv"),
    ),
    "purchase.receipt_confirmed": (("PUR-06", _always, "inventory inventory_pending"),),
    "purchase.billed": (
        ("PUR-07", _always, "ap inventory"),
        ("PUR-07", _accrues, "grni"),
        ("PUR-11", _accrues, "ginr"),
        ("PUR-09", _standard, "ppv"),
    ),
    "purchase.returned": (("PUR-13", _always, "vendor_credit_receivable purchase_return_variance inventory"),),
    "purchase.credited": (("PUR-14", _always, "ap vendor_credit_receivable purchase_return_variance"),),
    "purchase.paid": (("PUR-17", _always, "ap bank"),),
    "rebate.accrued": (("PUR-16", _always, "rebate_receivable inventory"),),
    "landed_cost.estimated": (("LC-01", _always, "inventory landed_cost_accrual"),),
    "landed_cost.billed": (("LC-03", _always, "ap inventory"), ("LC-05", _standard, "landed_cost_variance")),
    "landed_cost.allocated": (("LC-04", _always, "landed_cost_clearing inventory"),),
    "order.fulfilled": (
        ("SAL-04", _on_shipment, "cogs inventory"),
        ("SAL-05", _on_invoice, "shipped_not_invoiced inventory"),
        ("SAL-07", _on_delivery, "inventory_transit_out inventory"),
    ),
    "order.invoiced": (("SAL-06", _on_invoice, "cogs shipped_not_invoiced"), ("SAL-08", _sells, "revenue ar")),
    "order.delivered": (("SAL-07", _on_delivery, "cogs inventory_transit_out"),),
    "order.paid": (("SAL-02", _sells, "payment_clearing customer_deposits"),),
    "return.received": (("RET-04", _always, "inventory cogs"), ("RET-02", _always, "inventory_returns_pending")),
    "return.dispositioned": (("RET-03", _always, "inventory inventory_returns_pending damage_loss"),),
    "refund.issued": (("RET-07", _sells, "sales_returns payment_clearing"),),
    "stock.adjusted": (("ADJ-01", _always, "inventory"), ("ADJ-13", _suspends, "suspense")),
    "count.approved": (("CNT-01", _always, "inventory shrinkage"),),
    "transfer.dispatched": (("TRF-01", _two_step, "inventory inventory_transit"), ("TRF-03", _always, "inventory")),
    "transfer.received": (("TRF-02", _two_step, "inventory inventory_transit"),),
    "transfer.closed_short": (("TRF-04", _two_step, "inventory_transit shrinkage"),),
    "intercompany.shipped": (("ICO-01", _always, "ic_receivable ic_revenue ic_cogs inventory"),),
    "intercompany.received": (("ICO-02", _always, "inventory ic_payable"),),
    "consignment.sent": (("CON-01", _always, "inventory_consigned_out inventory"),),
    "consignment.sold": (("CON-02", _always, "cogs inventory_consigned_out"),),
    "consignment.returned": (("CON-03", _always, "inventory inventory_consigned_out"),),
    "consignment.lost": (("CON-04", _always, "shrinkage inventory_consigned_out"),),
    "consignment.taken": (("CON-06", _always, "inventory consignment_payable"),),
    "returns.estimated": (("RET-01", _always, "return_asset cogs"),),
    "warranty.replaced": (("RET-15", _always, "warranty_provision inventory"),),
    "warranty.received": (("RET-16", _always, "inventory warranty_provision"),),
    "dropship.shipped": (("DRP-01", _always, "cogs_dropship grni"),),
    "dropship.returned": (("DRP-04", _always, "vendor_credit_receivable cogs_dropship"),),
    "kit.assembled": (("BND-04", _always, "inventory"), ("BND-04", _standard, "assembly_variance")),
    "kit.disassembled": (("BND-06", _always, "inventory assembly_variance"),),
    "production.issued": (("MFG-01", _always, "inventory_wip inventory_raw"),),
    "production.reported": (("MFG-02", _always, "inventory_wip"),),
    "production.completed": (("MFG-05", _always, "inventory inventory_wip"),),
    "cost.standard_changed": (("STD-09", _standard, "inventory standard_revaluation"),),
    "cost.revalued": (("REV-01", _always, "inventory inventory_revaluation"),),
    "cost.written_down": (("REV-02", _always, "write_down"), ("REV-02", _ifrs, "inventory_allowance")),
    "cost.recovered": (("REV-03", _ifrs, "inventory_allowance write_down_reversal"),),
    "opening.loaded": (("OPN-01", _always, "inventory opening_equity"),),
    "fx.remeasured": (("FX-05", _always, "fx_unrealised"),),
    "giftcard.sold": (("GC-01", _always, "payment_clearing gift_card_liability"),),
    "payout.paid": (("PAY-01", _always, "bank payment_clearing payment_fees"),),
}


def policy_sets(book: PolicyBook) -> list[Policy]:
    """Every set of policies that can be in force on some day, for some category and channel."""
    days = sorted({version.effective for version in book.versions}) or [date.min]
    categories = sorted({version.category or "" for version in book.versions} | {""})
    channels = sorted({version.channel or "" for version in book.versions} | {""})
    return list(dict.fromkeys(book.at(d, c, ch) for d in days for c in categories for ch in channels))


def roles_needed(event_types: Iterable[str], reasons: Iterable[str], book: PolicyBook) -> dict[str, tuple[str, str]]:
    """Role → (event type, matrix row) that first asks for it. `reasons` are the canonical codes in use."""
    policies = policy_sets(book)
    needed: dict[str, tuple[str, str]] = {}
    types = sorted(event_types)
    for event_type in types:
        for row, condition, roles in _NEEDS.get(event_type, ()):
            if any(condition(policy) for policy in policies):
                for role in roles.split():
                    needed.setdefault(role, (event_type, row))
    if "stock.adjusted" in types:
        for code in sorted(set(reasons)):
            reason = REASONS.get(code)
            if reason is not None and reason.code != "unknown":
                needed.setdefault(reason.role, (f"stock.adjusted with reason {code}", reason.row))
    return needed


def event_types_in(mapping: Path) -> frozenset[str]:
    """The event types a mapping file yields. A file that does not parse yields none here: its own checker says why."""
    from ruamel.yaml import YAML  # slow to import, and only a project with mappings needs it
    from ruamel.yaml.error import YAMLError

    if mapping.stat().st_size > MAPPING_BYTES_MAX:
        return frozenset()
    try:
        tree = YAML(typ="safe").load(mapping.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError, RecursionError):
        return frozenset()
    events = tree.get("events") if isinstance(tree, dict) else None
    types = {str(event.get("type")) for event in events or () if isinstance(event, dict)}
    return frozenset(types & set(EVENT_TYPES))
