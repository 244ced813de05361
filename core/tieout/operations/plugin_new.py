"""`tieout plugin new`: a distribution that passes its conformance kit at once, to be changed piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Any, Final, Literal

from tieout.errors import UsageError

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
_ENDING: Final = ".tpl"


def new_plugin(name: str, role: Literal["source", "ledger"], into: Path) -> dict[str, Any]:
    """Write `into/tieout-NAME`. Refused for a name that cannot be one, and where the folder is already."""
    if not _NAME.fullmatch(name) or "--" in name:
        raise UsageError(
            f"{name!r} cannot be a connector's name",
            fix="lower-case letters, digits and single dashes, beginning with a letter: acme, acme-wms",
        )
    folder = into / f"tieout-{name}"
    if folder.exists():
        raise UsageError(f"{folder} exists already", fix="choose another name or --into another folder")
    words = _words(name, role)
    written = []
    for target, text in _rendered(role, words):
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(target)
    return {
        "folder": str(folder),
        "files": sorted(written),
        "next": [f"cd {folder}", "python -m pytest", "pip install -e .", "tieout plugin list"],
    }


def _words(name: str, role: str) -> dict[str, str]:
    plain = name.replace("-", "_")
    return {
        "name": name,
        "plain": plain,
        "role": role,
        "module": f"tieout_{plain}",
        "cls": "".join(part.capitalize() for part in name.split("-")),
        "title": name.replace("-", " ").title(),
        "env": plain.upper(),
        "host": f"{name}.example",
    }


def _rendered(role: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Files of the common and of the role's template, named for their place in the distribution."""
    templates = files("tieout.testing").joinpath("templates")
    places = {"package": words["module"], "conformance.py": f"test_{words['module'][7:]}_conformance.py"}
    places["moves.yaml"] = f"{words['plain']}_moves.yaml"
    yield f"{words['module']}/py.typed", ""
    for base in ("common", role):
        for path, entry in _walk(templates.joinpath(base), ()):
            parts = [places.get(part, part) for part in (*path[:-1], path[-1].removesuffix(_ENDING))]
            text = entry.read_text(encoding="utf-8")
            # A feed is data: nothing in it is a place for a word.
            yield "/".join(parts), text if parts[-1].endswith(".jsonl") else Template(text).substitute(words)


def _walk(folder: Traversable, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _walk(entry, (*above, entry.name))
        elif entry.name.endswith(_ENDING):
            yield (*above, entry.name), entry
