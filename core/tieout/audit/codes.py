"""Error codes of the audit trail: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO8030": (
        "The books hold less than their last checkpoint",
        "Rows that a signed checkpoint covers are gone: the database was restored from a backup, or cut.",
        "`tieout audit verify` says which; after a restore, put the checkpoints of that day back beside it.",
    ),
    "TO8031": (
        "The checkpoints cannot be read",
        "A line of `audit/COMPANY.jsonl` is no checkpoint: the file was edited or cut off.",
        "Put back the copy you keep elsewhere; tieout never writes over a line.",
    ),
    "TO8032": (
        "Not an audit export",
        "The file is no zip with the parts of an audit export.",
        "Make one with `tieout audit export FILE`.",
    ),
}
