"""Error codes of delivery: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO6110": (
        "The ledger refused a document",
        "The ledger gave a definite reason; the document is not in it. Its chain waits, other documents go on.",
        "Mend what the reason names, then retry the exception: the entry is planned again as a new revision.",
    ),
    "TO6111": (
        "Delivery parked: outcome unknown",
        "A document was sent, the answer was lost, and neither a key nor a look-up can tell whether it arrived.",
        "Look for the reference in the ledger; mark the entry as posted with the ledger's id, or retry it.",
    ),
    "TO6112": (
        "The ledger holds something else than was sent",
        "The receipt differs from the document in amounts, accounts or date.",
        "Compare the document in the ledger with `tieout trace REFERENCE`; correct it there, then mark it as posted.",
    ),
    "TO6113": (
        "Delivery parked: repeated errors",
        "Three unexpected errors in the connector or in tieout stopped this entry.",
        "Read the error, update the connector, then retry the entry.",
    ),
    "TO6114": (
        "Lane parked",
        "Twenty entries of one ledger are parked; nothing more is sent until people have looked.",
        "Decide the parked entries, oldest first.",
    ),
    "TO6115": (
        "A part of a split entry met a closed period",
        "The period was closed between the parts of one entry, so it can be neither withdrawn nor finished.",
        "Reopen the period in the ledger and retry, or void the parts already there.",
    ),
    "TO6116": (
        "Locked before it left",
        "The ledger's lock date passed an entry that was not sent yet, and policy locked_period forbids another day.",
        "Move the lock date back, or set locked_period to next_open_period; then retry the exception.",
    ),
    "TO6117": (
        "A document cannot be made for this ledger",
        "The connector could not render the document; nothing was sent.",
        "Mend what the message names, then retry.",
    ),
    "TO6120": ("No such entry", "No entry has this id.", "`tieout status` lists entries."),
    "TO6121": (
        "Nothing to approve",
        "The entry does not wait for approval.",
        "`tieout approvals list` shows what waits.",
    ),
    "TO6122": (
        "Approved by its preparer",
        "Who prepared an entry cannot approve it.",
        "Let another person approve it.",
    ),
    "TO6123": ("Not parked", "Only a parked entry is decided by a person.", "`tieout status` lists entries."),
}
