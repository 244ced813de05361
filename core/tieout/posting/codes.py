"""Error codes of posting: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO5101": (
        "Role without an account",
        "The account map has no row for a role, with the keys of this event, on its date; the event posted nothing.",
        "Add the row the message names to the company's accounts, then retry the exception.",
    ),
    "TO5111": (
        "Locked period, held",
        "The event's effective date lies in a locked period and policy locked_period is hold; nothing was posted.",
        "Reopen the period or change locked_period, then retry the exception.",
    ),
    "TO5112": (
        "Locked period, rejected",
        "The event's effective date lies in a locked period and policy locked_period is reject; nothing was posted.",
        "Correct the date at the source, or change locked_period, then retry the exception.",
    ),
    "TO5113": (
        "The ledger takes no such document",
        "Lines on ar, ap or bank leave as native documents; this ledger's connector does not take that kind.",
        "Let the ledger's settings send native documents as journals and map the role to an account that journals "
        "may use, or use a ledger that takes the document.",
    ),
    "TO5114": (
        "A booking without a landed event",
        "The engine produced a booking for an event line that was never landed: a fault in a plugin or in tieout.",
        "Run `tieout db verify` and report the event id; nothing of this batch was posted.",
    ),
}
