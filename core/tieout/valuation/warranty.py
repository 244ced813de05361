"""Warranty: RET-15 (replacement shipped), RET-16 (defective unit received). RET-14 is money and settled elsewhere."""

from __future__ import annotations

from typing import Final

from tieout.valuation.step import Step

UNPROVIDED: Final = "unprovided"  # reason: nothing was provided for, so it is expense


def _role(step: Step) -> str:
    return "warranty_expense" if step.line.reason == UNPROVIDED else "warranty_provision"


def replaced(step: Step) -> None:
    """RET-15: the replacement's cost uses the provision (reason `unprovided`: expense). No revenue."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    step.leave(step.home(), step.need_quantity(), "RET-15", _role(step), line.location)


def received(step: Step) -> None:
    """RET-16: the defective unit comes in at what it will fetch: the line's amount, often nothing."""
    line = step.line
    if line.owner or not step.known.stocked:
        return
    q = step.need_quantity()
    step.enter(step.home(), q, line.amount or 0, "RET-16", _role(step), line.location)
