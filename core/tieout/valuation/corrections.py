"""Corrections of closed years: CST-04. The correction itself is posted by replay (CST-01, CST-02); what this moves is its
effect on the result, out of this year's and into retained earnings, once a person found it material (IAS 8.42)."""

from __future__ import annotations

from tieout.model.roles import ROLES
from tieout.valuation.clearing import approved
from tieout.valuation.step import Step


def recomputed(step: Step) -> None:
    """CST-04: the line's amount leaves `cogs` (or the role its reason names) for `retained_earnings`; negative: the other
    way. A line without an amount only says that a correction was looked at."""
    line = step.line
    if line.amount is None or not line.amount:
        return
    approved(step)
    role = line.reason or "cogs"
    if role not in ROLES or ROLES[role].account_class.split()[-1] not in ("income", "expense"):
        step.refuse("TO4004", f"{role!r} is not a role of the result", "name the role the correction was posted to")
    if line.amount > 0:
        step.flow("CST-04", "retained_earnings", role, line.amount)
    else:
        step.flow("CST-04", role, "retained_earnings", -line.amount)
