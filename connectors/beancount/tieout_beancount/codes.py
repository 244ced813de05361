"""Error codes of this connector: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO6101": (
        "Document cannot be written as beancount",
        "An account name, reference or metadata key is not valid beancount, or the document does not balance.",
        "Use account names such as Assets:Inventory:Main in `accounts`; the message proposes the nearest valid one.",
    ),
    "TO6102": (
        "Account unknown to the ledger",
        "The account is neither opened in the ledger nor in the connection's list or chart of accounts.",
        "Add it to `accounts` or the chart, or write its `open` directive into the ledger.",
    ),
    "TO6103": (
        "Reference is taken by another content",
        "The ledger holds an entry with this reference whose date, accounts or amounts differ: somebody edited it.",
        "Put the entry back as it was delivered, or accept the edit through an exception; nothing was written.",
    ),
    "TO6104": (
        "Account not open on that day",
        "The ledger opens the account later than the entry's day, or closes it earlier.",
        "Correct the `open` or `close` directive.",
    ),
    "TO6105": (
        "Ledger file cannot be written or read",
        "The file system refused, or another process held the ledger for too long. Nothing was written.",
        "Free space, mend permissions or end the other process; the delivery is retried.",
    ),
    "TO6106": (
        "Ledger text cannot be understood",
        "A line of the ledger is not valid beancount, or not UTF-8.",
        "Run bean-check on the file and correct the line.",
    ),
    "TO6107": (
        "Amount depends on beancount's own booking",
        "A posting leaves its cost to beancount's lot matching, or an account is filled by `pad`; its value is not in the text.",
        "State the cost or amount in that entry, or keep such entries off accounts that tieout posts to.",
    ),
    "TO6108": (
        "Day is locked",
        "The entry's day is not after the day through which the ledger is locked.",
        "The entry is planned again for the first open day; to unlock, change `locked-through`.",
    ),
    "TO6109": (
        "Ledger changed in the middle of a write",
        "A write was cut off and the file was edited before tieout could take the half-written entry out.",
        "Correct the end of the file until bean-check accepts it, then delete the file the message names.",
    ),
    "TO6110": (
        "Chart of accounts not readable",
        "The CSV named by `chart` is absent, is not UTF-8 or has no column `code`.",
        "Give a UTF-8 CSV with the columns code, name, type.",
    ),
}
