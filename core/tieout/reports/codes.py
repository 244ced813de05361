"""Error codes of reports and period close: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO7110": (
        "A period cannot be closed",
        "It is not over, or something of the month-end checks stands in the way; each is named with its amount.",
        "`tieout close PERIOD --check` lists them; estimates, old lines and exceptions may stay with --accept REASON.",
    ),
    "TO7111": (
        "The preparer cannot close",
        "A period is prepared by one person and closed by another.",
        "Let somebody else run `tieout close PERIOD`.",
    ),
    "TO7112": (
        "The period is not in that state",
        "It is closed already, or open already, or re-opening was given no reason.",
        "`tieout close PERIOD --check` shows where it stands.",
    ),
}
