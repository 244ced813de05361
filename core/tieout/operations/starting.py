"""`tieout init`: a project folder that runs as it is, made from the starter files that ship with the mappings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tieout.errors import UsageError
from tieout.model.money import exponent

TEMPLATES = {
    "files": "CSV files in a folder → beancount ledger; runs at once with its sample rows",
    "empty": "the same without sample rows",
}
DEFAULTS = {"name": "My company", "currency": "USD", "timezone": "UTC"}
SAMPLES = ("inbox/",)


def templates() -> dict[str, str]:
    """Template names and what they are."""
    return dict(TEMPLATES)


def init_project(folder: Path, *, template: str, answers: Mapping[str, str]) -> dict[str, Any]:
    """Write a project folder. Refused where a `tieout.toml` is already."""
    if template not in TEMPLATES:
        raise UsageError(f"no template {template!r}", fix=f"one of: {', '.join(TEMPLATES)}")
    if (folder / "tieout.toml").exists():
        raise UsageError(f"{folder / 'tieout.toml'} exists already", fix="choose another folder")
    chosen = {**DEFAULTS, **answers}
    _check(chosen)
    written = []
    for name, text in _starter(files("tieout_mappings").joinpath("starter"), ""):
        if template == "empty" and name.startswith(SAMPLES):
            continue
        if name == "tieout.toml":
            for key, value in chosen.items():
                text = text.replace("{" + key + "}", value)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(name)
    (folder / "inbox").mkdir(exist_ok=True)
    at = "" if folder == Path() else f" -C {folder}"
    return {
        "folder": str(folder),
        "files": written,
        "next": [f"tieout check{at}", f"tieout plan{at}", f"tieout run{at}"],
    }


def _check(chosen: Mapping[str, str]) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        exponent(chosen["currency"])
        ZoneInfo(chosen["timezone"])
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise UsageError(str(error), fix="a currency such as EUR, a time zone such as Europe/Berlin") from None
    if '"' in chosen["name"] or "\\" in chosen["name"]:
        raise UsageError("a company name has no quotes or backslashes")


def _starter(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                found += _starter(entry, f"{prefix}{entry.name}/")
        else:
            found.append((f"{prefix}{entry.name}", entry.read_text(encoding="utf-8")))
    return found
