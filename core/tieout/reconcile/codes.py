"""Error codes of reconciliation: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO7101": (
        "A document of ours was changed in the ledger",
        "The ledger's document differs from what was delivered and acknowledged.",
        "Undo the change in the ledger, or accept it with a correction there; tieout never edits a document.",
    ),
    "TO7102": (
        "A document of ours is gone from the ledger",
        "The ledger acknowledged the document and no longer shows it.",
        "Restore it in the ledger, or take the event back at its source.",
    ),
    "TO7103": (
        "A document twice in the ledger",
        "Two documents bear one reference: the first send arrived later than the ledger promised.",
        "Void the later one in the ledger.",
    ),
    "TO7104": (
        "Our marker on a document we do not know",
        "The ledger holds a document with a tieout reference that this database never issued, as after a restore.",
        "Do not deliver; compare the database with its last backup, then adopt or void the document.",
    ),
}
