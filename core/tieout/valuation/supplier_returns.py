"""Goods back to the vendor and the vendor's credits: PUR-12, 13, 14, 15, RET-17."""

from __future__ import annotations

from typing import Final

from tieout.model.money import allocate
from tieout.model.quantity import from_scaled
from tieout.valuation.purchasing import RECEIPTS, portion, receipts_of, reprice, tax_of
from tieout.valuation.records import Claim, Pool, Receipt
from tieout.valuation.step import Step

RETURNS: Final = frozenset({"purchase.returned", "dropship.returned"})
REBATES: Final = frozenset({"rebate.accrued"})
WARRANTY: Final = {"warranty": "ap", "warranty_claim": "claims_receivable"}  # reason → who owes it (RET-17)


def returned(step: Step) -> None:
    """PUR-12 for units not yet billed (against `grni` at receipt value), PUR-13 for billed ones (against the credit
    expected: the line's amount, else the price paid). Units leave by the receipt's own layer while it lasts."""
    line = step.line
    q = step.need_quantity()
    receipts = receipts_of(step)
    room = sum(r.quantity - r.sent_back for r in receipts)
    if receipts and q > room:
        step.refuse(
            "TO4007",
            f"{from_scaled(q)} to go back, {from_scaled(room)} of that receipt still ours",
            "correct the quantity",
            line.amount,
        )
    pool = step.home()
    if step.rules.block:
        step.check_stock(pool, q)
    send_back(step, pool, q, receipts, line.location)


def send_back(step: Step, pool: Pool, q: int, receipts: list[Receipt], location: str, row: str = "") -> None:
    """Units leave for the vendor; what each receipt had open or expects back stands against their cost."""
    line, state = step.line, step.state
    n = step.leave(
        pool, q, "", "purchase_return_variance", location, first=own_layer(step, pool, receipts), silent=True
    )
    move = state.move(n)
    claim = Claim(n, q, 0, 0, 0)
    state.claims[n] = claim
    against: list[tuple[str, str, int]] = []
    left = q
    for receipt in receipts:
        part = min(left, receipt.quantity - receipt.sent_back)
        unbilled = min(part, receipt.open_quantity)
        if unbilled:
            value = receipt.open_value
            if unbilled < receipt.open_quantity:
                value = step.share(receipt.open_value, unbilled, receipt.open_quantity)
            receipt.open_quantity -= unbilled
            receipt.open_value -= value
            claim.unclaimed += unbilled
            against.append((row or "PUR-12", "grni", value))
        if part > unbilled:
            value = step.share(receipt.price, part - unbilled, receipt.quantity)
            if line.amount is not None:
                value = step.share(line.amount, part - unbilled, q)
            claim.open_quantity += part - unbilled
            claim.open_value += value
            against.append((row or "PUR-13", "vendor_credit_receivable", value))
        receipt.sent_back += part
        receipt.credits.append(n)
        left -= part
    if left:
        value = line.amount if line.amount is not None else move.value
        claim.open_quantity += left
        claim.open_value += value
        against.append((row or "PUR-13", "vendor_credit_receivable", value))
    stand_against(step, n, against, location)


def own_layer(step: Step, pool: Pool, receipts: list[Receipt]) -> int:
    """The layer the receipt's units made in this pool, where layers have a place of their own; else -1."""
    state = step.state
    if not receipts or pool.joins or receipts[0].inflow < state.base:
        return -1
    op = receipts[0].inflow
    n = state.o_layer[op - state.base]
    layer = state.layers.get(n)
    if layer is None or not state.pools[layer.pool].key[3]:
        return n
    # It came in by way of a holding of its own and kept its place in the queue.
    return next((m for m in pool.queue[pool.head :] if state.layers[m].key == layer.key), n)


def stand_against(step: Step, n: int, against: list[tuple[str, str, int]], at: str) -> None:
    """Dr what is expected, Cr the stock at cost, the gap to `purchase_return_variance` either way."""
    move = step.state.move(n)
    q, left = move.quantity, move.value
    row = "PUR-13"
    for row, role, value in against:
        out = min(value, left)
        flow = step.flow(row, role, move.credit, out, q, at=at)
        flow.layers = step.state.consumed(move.taken)
        flow.provisional = move.open_quantity > 0
        q, left = 0, left - out
        if value > out:
            step.flow(row, role, "purchase_return_variance", value - out)
    if left:
        step.flow(row, "purchase_return_variance", move.credit, left, at=at)


def credited(step: Step) -> None:
    """PUR-14 when it names a supplier return: clears the credit expected, a shortfall is variance. PUR-15 when it names
    a receipt: a price allowance that follows the units. PUR-16 when it names a rebate: settles what was accrued. RET-17
    by reason `warranty` (as a claim: `warranty_claim`). Without a known target: refused."""
    line, state = step.line, step.state
    if line.amount is None:
        step.refuse("TO4009", "a vendor credit needs its amount", "map the amount")
    if line.reason in WARRANTY:
        step.flow("RET-17", WARRANTY[line.reason], "warranty_expense", line.amount)
        tax_of(step, credit=True)
        return
    claims = [state.claims[n] for n in step.find(RETURNS) if n in state.claims]
    receipts = [] if claims else receipts_of(step)
    amount = portion(step, line.amount, RETURNS | REBATES if claims else RECEIPTS | REBATES)
    if claims:
        _goods(step, claims, amount)
    elif receipts:
        _allowance(step, receipts, amount)
    elif step.sources(REBATES):
        step.flow("PUR-16", "ap", "rebate_receivable", amount)
        tax_of(step, credit=True)
    else:
        step.refuse("TO4013", "the vendor credit names neither a supplier return nor a receipt", "add its reference")


def _goods(step: Step, claims: list[Claim], amount: int) -> None:
    line = step.line
    q = line.quantity or sum(claim.open_quantity for claim in claims)
    expected = 0
    for claim in claims:
        part = min(q, claim.open_quantity)
        value = claim.open_value
        if part < claim.open_quantity:
            value = step.share(claim.open_value, part, claim.open_quantity)
        claim.open_quantity -= part
        claim.open_value -= value
        q -= part
        expected += value
    tax_of(step, credit=True)
    paid = min(amount, expected)
    step.flow("PUR-14", "ap", "vendor_credit_receivable", paid)
    if expected > paid:
        step.flow("PUR-14", "purchase_return_variance", "vendor_credit_receivable", expected - paid)
    if amount > paid:
        step.flow("PUR-14", "ap", "purchase_return_variance", amount - paid)


def _allowance(step: Step, receipts: list[Receipt], amount: int) -> None:
    shares = _by_quantity(amount, receipts)
    for receipt, value in zip(receipts, shares, strict=True):
        step.check_amend(receipt, -value)
    tax_of(step, credit=True)
    for receipt, value in zip(receipts, shares, strict=True):
        reprice(step, receipt, -value)
        step.amend(receipt, -value, "ap", "PUR-15", "cogs_dropship" if receipt.inflow < 0 else "ppv")


def _by_quantity(amount: int, receipts: list[Receipt]) -> list[int]:
    return allocate(amount, [receipt.quantity for receipt in receipts])
