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
        "Look for the reference in the ledger, then `tieout entries decide ID --posted-as LEDGER_ID` or `--absent`.",
    ),
    "TO6112": (
        "The ledger holds something else than was sent",
        "The receipt differs from the document in amounts, accounts or date.",
        "Compare the document in the ledger with `tieout trace REFERENCE`; correct it there, then `tieout entries decide`.",
    ),
    "TO6113": (
        "Delivery parked: repeated errors",
        "Three unexpected errors in the connector or in tieout stopped this entry.",
        "Read the error, update the connector, then `tieout entries decide ID`.",
    ),
    "TO6114": (
        "Lane parked",
        "Twenty entries of one ledger are parked; nothing more is sent until people have looked.",
        "`tieout entries list`, then decide the parked entries, oldest first.",
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
    "TO6120": ("No such entry", "No entry has this id.", "`tieout entries list --state all` lists them."),
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
    "TO6123": (
        "Not parked",
        "Only a parked entry is decided by a person.",
        "`tieout entries list` shows what is parked.",
    ),
    "TO6124": (
        "The ledger has another document",
        "The id given is not in the ledger, or the ledger holds the entry's reference under another id.",
        "Give the id the ledger shows; use --absent if the document is not there.",
    ),
    "TO6125": (
        "Not the document of this entry",
        "The document in the ledger differs from the entry in reference, date or amounts.",
        "Correct it in the ledger and decide again; or void it there and use --absent.",
    ),
    "TO6126": (
        "It is in the ledger after all",
        "The entry was said to be absent, but the ledger shows a document with its reference.",
        "Mark it as posted under the id shown, or void it in the ledger first.",
    ),
    "TO6127": (
        "Too early to tell",
        "The entry was sent so recently that the ledger may still accept or show it.",
        "Decide again after the time that is named.",
    ),
    "TO6130": (
        "Parked after a restore: unknown documents of ours",
        "The ledger holds documents with our reference that this database does not know, made after the backup was taken, "
        "on the day and accounts of this entry: it may be in one of them.",
        "Void those documents in the ledger and decide this entry with --absent; or, if one of them is this entry, correct it there.",
    ),
    "TO6131": (
        "Parked after a restore: no look-up",
        "The entry may have been delivered after the backup was taken, and the ledger offers no way to look it up.",
        "Look for its reference in the ledger, then `tieout entries decide ID --posted-as LEDGER_ID` or `--absent`.",
    ),
}
