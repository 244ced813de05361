"""Receipts that wait for confirmation: PUR-06. Units announced or in inspection lie in a holding of their own; bills and
freight that come meanwhile go to `inventory_pending` with them."""

from __future__ import annotations

from tieout.model.quantity import from_scaled
from tieout.valuation.purchasing import own, receipts_of
from tieout.valuation.records import Receipt
from tieout.valuation.step import Step
from tieout.valuation.supplier_returns import send_back

REFUSED = "refused"


def confirmed(step: Step) -> None:
    """Accepted units enter the pool with their receipt's date and age; what a `refused` line (reason or condition) names
    goes back: `grni` at the receipt's value, the credit to come where it was billed, other cost to the variance."""
    line, state = step.line, step.state
    q = step.need_quantity()
    found = step.find(("purchase.received",))
    refused = REFUSED in ((line.extra or {}).get("condition"), line.reason)
    pools = [(state.move(n).line, step.side("inventory_pending", own(state.move(n).line))) for n in found]
    pools = [(waiting, pool) for i, (waiting, pool) in enumerate(pools) if all(pool is not x for _, x in pools[:i])]
    held = sum(pool.quantity for _, pool in pools)
    if q > held:
        if not pools:
            step.refuse("TO4013", "the receipt it confirms is not known", "add the reference to the receipt")
        step.refuse(
            "TO4007",
            f"{from_scaled(q)} to confirm, {from_scaled(held)} waiting",
            "correct the quantity or name the receipt",
        )
    home = step.home(line.location or pools[0][0].location)
    receipts = receipts_of(step)
    for waiting, pool in pools:
        part = min(q, pool.quantity)
        if not part:
            continue
        q -= part
        at = waiting.location
        if refused:
            send_back(step, pool, part, _of(step, receipts, waiting.event_id, waiting.line_id), at, "PUR-06")
        else:
            step.carry(pool, home, part, "PUR-06", at, line.location or at, variance="ppv")


def _of(step: Step, receipts: list[Receipt], event: str, line: str) -> list[Receipt]:
    """The receipt of these units first: by its own line, or by the title that passed before it."""
    state = step.state
    titles = {state.move(n).source for n in state.by_event.get(event, ()) if state.move(n).line.line_id == line}
    mine = [r for r in receipts if r.move in titles or own(state.move(r.move).line) == f"{event}#{line}"]
    return mine or receipts
