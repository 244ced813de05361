"""The event catalogue of matrix §4: every canonical event type, its place in the order of valuation, and what it must carry.

One row per type. `phase` is `valuation-rules` §1 (order inside one instant); `rows` are the matrix rows the type can post;
`needs`/`may` name the fields beside the common envelope that the event and its lines must or may carry. `units` says what
the type does to units we hold: `in`, `out`, `move`, `set` (a count), `cost` (value only) or `none` (money or memo only).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Units = Literal["in", "out", "move", "set", "cost", "none"]


class EventType(NamedTuple):
    name: str
    phase: int
    units: Units
    rows: str
    needs: tuple[str, ...] = ()  # event fields that must be there
    may: tuple[str, ...] = ()  # event fields allowed beside the envelope
    line_needs: tuple[str, ...] = ()
    line_may: tuple[str, ...] = ()


def _t(
    name: str,
    phase: int,
    units: Units,
    rows: str,
    *,
    needs: str = "",
    may: str = "",
    line: str = "",
    line_may: str = "",
) -> EventType:
    return EventType(name, phase, units, rows, *(tuple(text.split()) for text in (needs, may, line, line_may)))


_S = "item quantity location"
_SM = "unit owner condition lot reason ref dimensions"
_P = "unit_price amount currency"
_M = "amount amounts currency rate"
_IQ = "item quantity"

_TYPES: Final = (
    # purchasing
    _t("purchase.ordered", 20, "none", "PUR-01", may=_M, line=_IQ, line_may=f"location {_SM} {_P}"),
    _t("commitment.assessed", 95, "none", "PUR-02", line=_IQ, line_may=f"nrv {_SM} {_P}"),
    _t("purchase.prepaid", 90, "none", "PUR-03 FX-03", needs="amount", may=_M),
    _t("purchase.title_passed", 20, "in", "PUR-04", may=_M, line=_S, line_may=f"{_SM} {_P}"),
    _t(
        "purchase.received",
        20,
        "in",
        "PUR-05 PUR-06 PUR-18 STD-01 FX-01 FX-03 CST-03",
        may=_M,
        line=_S,
        line_may=f"{_SM} {_P} weight volume landed_estimate",
    ),
    _t("purchase.receipt_confirmed", 20, "move", "PUR-06", line=_IQ, line_may=f"location {_SM}"),
    _t(
        "purchase.billed",
        90,
        "cost",
        "PUR-07 PUR-08 PUR-09 PUR-10 PUR-11 PUR-20 STD-02 FX-02 FX-09 DRP-02",
        may=_M,
        line="quantity",
        line_may=f"item location {_SM} {_P} tax",
    ),
    _t("purchase.returned", 80, "out", "PUR-12 PUR-13", may=_M, line=_S, line_may=f"{_SM} {_P}"),
    _t(
        "purchase.credited",
        90,
        "cost",
        "PUR-14 PUR-15 RET-17",
        may=_M,
        line="",
        line_may=f"item quantity location {_SM} {_P} tax",
    ),
    _t("rebate.accrued", 90, "cost", "PUR-16", may=_M, line="amount", line_may=f"item {_SM}"),
    _t("clearing.written_off", 90, "none", "PUR-19", may=_M, line_may=f"item quantity amount {_SM}"),
    _t("purchase.paid", 90, "none", "PUR-17 FX-04", needs="amount", may=_M, line_may=f"amount {_SM}"),
    # landed cost
    _t(
        "landed_cost.estimated",
        90,
        "cost",
        "LC-01",
        needs="amount",
        may=f"basis {_M}",
        line="ref",
        line_may="item weight quantity",
    ),
    _t(
        "landed_cost.billed",
        90,
        "cost",
        "LC-02 LC-03 LC-04 LC-05 LC-06 LC-07 LC-08 LC-09 LC-10 TRF-06 TRF-07",
        needs="amount",
        may=f"basis treatment {_M}",
        line_may="ref item weight quantity",
    ),
    _t(
        "landed_cost.allocated",
        90,
        "cost",
        "LC-04",
        may=f"basis {_M}",
        line="ref",
        line_may="item weight quantity",
    ),
    # sales
    _t("order.placed", 60, "none", "SAL-01", may=_M, line_may=f"item quantity location {_SM} {_P}"),
    _t(
        "order.edited",
        60,
        "none",
        "SAL-15 SAL-16",
        may=f"tenders {_M}",
        line_may=f"item quantity location {_SM} {_P}",
    ),
    _t(
        "order.cancelled",
        70,
        "in",
        "SAL-11 SAL-12 SAL-13",
        may=f"tenders {_M}",
        line_may=f"item quantity location {_SM} {_P}",
    ),
    _t("claim.accepted", 90, "none", "SAL-14 LC-06 ADJ-11", needs="amount", may=_M, line_may="ref"),
    _t("order.paid", 60, "none", "SAL-02 SAL-09 GC-02", may=f"tenders {_M}"),
    _t(
        "order.invoiced",
        60,
        "move",
        "SAL-03 SAL-06 SAL-08",
        may=f"tenders {_M}",
        line_may=f"item quantity location {_SM} {_P}",
    ),
    _t(
        "order.fulfilled",
        60,
        "out",
        "SAL-04 SAL-05 SAL-07 SAL-08 SAL-10 SAL-17 SAL-18 SAL-19 ICO-03 STD-03 FX-06 BND-01 BND-02 BND-05 PRM-01 PRM-03 PRM-04",
        may=f"tenders {_M}",
        line=_S,
        line_may=f"{_SM} {_P}",
    ),
    _t("order.delivered", 60, "move", "SAL-07", line_may=f"item quantity location {_SM}"),
    # returns, exchanges, warranty
    _t(
        "return.received",
        70,
        "in",
        "RET-02 RET-04 RET-12 RET-13 BND-03 STD-11",
        line=_S,
        line_may=f"{_SM} disposition",
    ),
    _t(
        "return.dispositioned",
        70,
        "move",
        "RET-03 RET-05 RET-06",
        line="item quantity disposition",
        line_may=f"location to_item nrv {_SM}",
    ),
    _t(
        "refund.issued",
        70,
        "none",
        "RET-07 RET-08 RET-09 GC-05 FX-07",
        may=f"tenders {_M}",
        line_may=f"item quantity location {_SM} {_P}",
    ),
    _t("returns.estimated", 70, "move", "RET-01", may=_M, line_may=f"item quantity {_SM} {_P}"),
    _t("returns.released", 95, "move", "RET-10", may=_M, line_may=f"item quantity {_SM} {_P}"),
    _t("exchange.created", 60, "none", "RET-11", may=_M, line_may=f"item quantity {_SM} {_P}"),
    _t("warranty.provided", 60, "none", "RET-14", needs="amount", may=_M),
    _t("warranty.replaced", 60, "out", "RET-15", line=_S, line_may=_SM),
    _t("warranty.received", 70, "in", "RET-16", line=_S, line_may=f"{_SM} {_P}"),
    # adjustments and counts
    _t(
        "stock.adjusted",
        60,
        "move",
        "ADJ-01 ADJ-02 ADJ-03 ADJ-04 ADJ-05 ADJ-06 ADJ-07 ADJ-08 ADJ-09 ADJ-10 ADJ-11 ADJ-12 ADJ-13 PRM-02",
        may=_M,
        line=_S,
        line_may=f"to_item {_SM} {_P}",
    ),
    _t("count.approved", 95, "set", "CNT-01 CNT-02", line=_S, line_may=f"book_quantity {_SM}"),
    # transfers and intercompany
    _t("transfer.dispatched", 40, "move", "TRF-01 TRF-03", line=_S, line_may=f"to_location {_SM}"),
    _t("transfer.received", 50, "move", "TRF-02 TRF-05 TRF-08", line=_S, line_may=_SM),
    _t("transfer.closed_short", 50, "move", "TRF-04", line=_IQ, line_may=f"location {_SM}"),
    _t("intercompany.shipped", 60, "out", "ICO-01 ICO-07", may=_M, line=_S, line_may=f"{_SM} {_P}"),
    _t("intercompany.received", 20, "in", "ICO-02 ICO-07", may=_M, line=_S, line_may=f"{_SM} {_P}"),
    _t("intercompany.returned", 70, "move", "ICO-08", may=_M, line=_S, line_may=f"{_SM} {_P}"),
    _t("intercompany.eliminated", 95, "none", "ICO-04 ICO-05 ICO-06", may=_M, line_may=f"amount {_SM}"),
    # consignment and drop-ship
    _t("consignment.sent", 60, "move", "CON-01", line=_S, line_may=f"to_location {_SM}"),
    _t(
        "consignment.sold",
        60,
        "out",
        "CON-02 CON-07 CON-08",
        may=f"tenders {_M}",
        line=_S,
        line_may=f"{_SM} {_P}",
    ),
    _t("consignment.returned", 70, "move", "CON-03", line=_S, line_may=_SM),
    _t("consignment.lost", 60, "out", "CON-04", line=_S, line_may=_SM),
    _t("consignment.taken", 20, "in", "CON-05 CON-06", may=_M, line=_S, line_may=f"{_SM} {_P}"),
    _t(
        "consignment.settled",
        90,
        "none",
        "CON-09",
        needs="amount",
        may=_M,
        line_may=f"item quantity amount {_SM}",
    ),
    _t(
        "dropship.shipped",
        60,
        "none",
        "DRP-01 DRP-03",
        may=f"tenders {_M}",
        line=_IQ,
        line_may=f"location {_SM} {_P}",
    ),
    _t(
        "dropship.returned",
        70,
        "in",
        "DRP-04 DRP-05",
        may=_M,
        line=_IQ,
        line_may=f"location disposition {_SM} {_P}",
    ),
    # kits and production
    _t("kit.assembled", 30, "move", "BND-04", may=_M, line=_S, line_may=f"part {_SM}"),
    _t("kit.disassembled", 80, "move", "BND-06 BND-07", may=_M, line=_S, line_may=f"part {_SM}"),
    _t("production.issued", 30, "move", "MFG-01 STD-04", may=_M, line=_S, line_may=f"part {_SM}"),
    _t(
        "production.reported",
        30,
        "move",
        "MFG-02 MFG-03 MFG-04 STD-04",
        may=f"hours {_M}",
        line_may=f"item quantity location part {_SM} {_P}",
    ),
    _t(
        "production.scrapped",
        30,
        "out",
        "MFG-06 MFG-07",
        may=_M,
        line_may=f"item quantity location part nrv {_SM}",
    ),
    _t(
        "production.completed",
        30,
        "in",
        "MFG-05 MFG-08 MFG-09",
        may=_M,
        line=_S,
        line_may=f"part nrv share {_SM}",
    ),
    _t(
        "production.closed",
        95,
        "cost",
        "MFG-10 MFG-11 STD-05 STD-06 STD-07",
        may=_M,
        line_may=f"item quantity {_SM}",
    ),
    _t("production.cancelled", 95, "move", "MFG-15", may=_M, line_may=f"item quantity location {_SM}"),
    _t("overhead.incurred", 90, "none", "MFG-12", needs="amount", may=_M),
    _t("overhead.closed", 95, "cost", "MFG-13 MFG-14 STD-08", may=_M),
    # cost
    _t("cost.standard_changed", 10, "cost", "STD-09", line="item unit_price", line_may="location currency"),
    _t("cost.variances_allocated", 95, "cost", "STD-10", may=_M, line_may=f"item amount {_SM}"),
    _t("cost.revalued", 95, "cost", "REV-01", may=_M, line="item", line_may=f"location {_SM} {_P}"),
    _t("cost.written_down", 95, "cost", "REV-02 REV-05", line="item nrv", line_may=f"location quantity {_SM}"),
    _t("cost.recovered", 95, "cost", "REV-03 REV-06", line="item nrv", line_may=f"location quantity {_SM}"),
    _t("cost.recomputed", 95, "cost", "CST-01 CST-02 CST-04 CST-05", may=_M, line_may=f"item amount {_SM}"),
    # opening, policy, currency
    _t(
        "opening.loaded",
        10,
        "in",
        "OPN-01 OPN-02 OPN-03 OPN-04 OPN-05",
        may=_M,
        line=_S,
        line_may=f"{_SM} {_P} origin_date",
    ),
    _t(
        "policy.changed",
        10,
        "cost",
        "OPN-06",
        needs="policies",
        may="category",
        line_may=f"item quantity location {_SM} {_P}",
    ),
    _t("fx.remeasured", 95, "none", "FX-05", may=_M, line_may=f"amount {_SM}"),
    # gift cards, payouts, deposits
    _t("giftcard.sold", 60, "none", "GC-01", needs="amount", may=f"tenders {_M}"),
    _t("giftcard.broken", 95, "none", "GC-03", needs="amount", may=_M),
    _t("giftcard.granted", 60, "none", "GC-04", may=_M),
    _t("payout.paid", 90, "none", "PAY-01 FX-08", needs="amount", may=_M, line_may=f"amount {_SM}"),
    _t("payout.adjusted", 90, "none", "PAY-04", needs="amount", may=_M, line_may=f"amount {_SM}"),
    _t("dispute.changed", 90, "none", "PAY-02", needs="amount", may=f"status {_M}"),
    _t("reserve.changed", 90, "none", "PAY-03", needs="amount", may=f"status {_M}"),
    _t("deposit.forfeited", 90, "none", "DEP-01", needs="amount", may=_M),
    _t("ledger.drift_accepted", 90, "cost", "PUR-21", may=_M, line="ref", line_may="item quantity amount"),
)

EVENT_TYPES: Final[dict[str, EventType]] = {t.name: t for t in _TYPES}


class Reason(NamedTuple):
    """A reason code of `stock.adjusted`: the reason selects the matrix row and the role on the other side (§9)."""

    code: str
    row: str
    role: str
    direction: Literal["out", "in", "both"]


_REASONS: Final = (
    Reason("shrinkage", "ADJ-01", "shrinkage", "out"),
    Reason("damage", "ADJ-02", "damage_loss", "out"),
    Reason("theft", "ADJ-03", "theft_loss", "out"),
    Reason("obsolete", "ADJ-04", "obsolescence_loss", "out"),
    Reason("found", "ADJ-05", "shrinkage", "in"),
    Reason("sample", "ADJ-06", "samples_expense", "out"),
    Reason("donation", "ADJ-07", "donation_expense", "out"),
    Reason("internal_use", "ADJ-08", "internal_use_expense", "out"),
    Reason("equipment", "ADJ-09", "fixed_assets", "out"),
    Reason("merged", "ADJ-10", "inventory", "out"),
    Reason("lost_reimbursed", "ADJ-11", "claims_receivable", "out"),
    Reason("found_reimbursed", "ADJ-12", "claims_receivable", "in"),
    Reason("unknown", "ADJ-13", "suspense", "both"),
    Reason("gift", "PRM-02", "promotion_expense", "out"),
)
REASONS: Final[dict[str, Reason]] = {r.code: r for r in _REASONS}

# What `return.received` and `return.dispositioned` may say about the goods.
DISPOSITIONS: Final = ("restock", "inspect", "sellable", "scrap", "second_grade", "refused")

# `valuation-rules` §1: a source with dates only places its events at these times of the company's day.
PHASE_START_OF_DAY_MAX: Final = 50
PHASE_NOON_MAX: Final = 80
