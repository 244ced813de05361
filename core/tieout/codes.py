"""Every error code in one book: code → title, meaning and what to do. Each package keeps its own page of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

GENERAL: Mapping[str, tuple[str, str, str]] = {
    "TO1000": ("Usage", "The command was called with something it cannot use.", "See the command's --help."),
    "TO1001": (
        "Configuration has slips",
        "`tieout.toml` or a file it names is wrong; every slip is listed with its place.",
        "Mend the lines shown; `tieout check` finds all of them offline.",
    ),
    "TO1090": (
        "No project here",
        "The folder has no `tieout.toml`.",
        "Go to the project folder, pass -C FOLDER, or run `tieout init`.",
    ),
    "TO1091": (
        "No such company",
        "The name is not one of the companies of this project.",
        "`tieout config show` lists them.",
    ),
    "TO1093": (
        "Openings differ from the ledger",
        "At cut-over the opening layers are not worth what the ledger carries.",
        "Correct one of them, or explain the difference; it is then posted to migration_difference.",
    ),
    "TO1094": (
        "Stale plan",
        "What is known has changed since the plan was made.",
        "Make a new plan: `tieout plan --out FILE`.",
    ),
    "TO1095": (
        "Not found",
        "Nothing in this project bears that id.",
        "Try a SKU, a document number, a TO-reference or an event id.",
    ),
    "TO1092": (
        "Currency or zone changed",
        "A company keeps the currency and the zone it was opened with.",
        "Put the old values back, or open a new company.",
    ),
    "TO1097": (
        "Upgrade changed the plan",
        "No fact changed, yet this version would post something else than the last one did.",
        "Read `tieout plan`; approve it with `tieout plan --out FILE` and `tieout apply FILE`.",
    ),
    "TO6001": (
        "Try again later",
        "The other side had a passing fault; nothing was written.",
        "Nothing: the next run tries again.",
    ),
    "TO6002": ("Rate limited", "The vendor asked us to wait.", "Nothing: the next run after that time goes on."),
    "TO6003": ("Connect again", "The vendor refused the grant.", "A person connects again; nothing is lost meanwhile."),
    "TO6004": (
        "Rejected",
        "The vendor refused this record or document.",
        "See the exception: `tieout exceptions list`.",
    ),
    "TO6005": (
        "Schema drift",
        "A field a mapping reads is gone or has another type; the stream is held.",
        "Mend the mapping, then `tieout pull`.",
    ),
    "TO6006": ("Stopped", "Going on would do harm.", "Read the message; nothing was written after it."),
    "TO6007": (
        "Outcome unknown",
        "A write was sent and no answer came; it will be looked up first.",
        "Nothing: the next run looks it up.",
    ),
    "TO9001": ("Plugin", "A plugin failed to load or broke its contract.", "`tieout plugin list` shows the error."),
}


class Code(NamedTuple):
    code: str
    title: str
    meaning: str
    fix: str


def all_codes() -> dict[str, Code]:
    """The whole book, sorted by code."""
    book = dict(_entries())
    return {code: book[code] for code in sorted(book)}


def _entries() -> Iterator[tuple[str, Code]]:
    for code, entry in GENERAL.items():
        yield code, Code(code, *entry)
    package = import_module("tieout")
    for module in iter_modules(package.__path__, "tieout."):
        if not module.ispkg:
            continue
        inner = import_module(module.name)
        if any(found.name == "codes" for found in iter_modules(inner.__path__)):
            page: Mapping[str, Any] = import_module(f"{module.name}.codes").CODES
            for code, entry in page.items():
                yield code, _code(code, entry)


def _code(code: str, entry: Any) -> Code:
    if isinstance(entry, str):
        return Code(code, entry, "", "")
    parts = [str(part) for part in (entry.values() if isinstance(entry, Mapping) else entry)]
    return Code(code, *[*parts, "", "", ""][:3])
