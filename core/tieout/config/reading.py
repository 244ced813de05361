"""Read `tieout.toml`: text → values and positions → tables, with every slip of form found in one go.

A value that is refused is noted and then left out (a required one is replaced by a stand-in), so that the checks of
meaning can still look at all the rest. A file with any slip of level error is never used for more than reporting.
"""

from __future__ import annotations

import re
import tomllib
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tieout.config.form import form_slips, refuse_literal, value_at
from tieout.config.positions import Path as KeyPath
from tieout.config.positions import Positions
from tieout.config.secret import looks_secret
from tieout.config.slip import Slips
from tieout.config.tables import FileTable

FILE_BYTES_MAX = 4_000_000
REPAIRS_MAX = 8
_STAND_INS: dict[str, Any] = {
    "project": {"name": "?"},
    "companies": {"?": {}},
    "currency": "USD",
    "timezone": "UTC",
    "mode": "post",
    "starts": "2000-01-01",
    "ends": "2000-01-01",
}


@dataclass
class Draft:
    """A configuration file as read. `table` is None when the text is not TOML, or is beyond repair."""

    path: Path
    slips: Slips
    raw: dict[str, Any]
    table: FileTable | None = None

    @property
    def root(self) -> Path:
        return self.path.parent


def read(path: Path) -> Draft:
    """Read a file and check its form. Never raises for what is written in it."""
    slips = Slips(path.name)
    draft = Draft(path, slips, {})
    text = _text(path, slips)
    if text is None:
        return draft
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        _syntax(slips, str(error), text)
        return draft
    draft.raw = raw
    slips.positions = Positions(text)
    for section in ("project", "connections", "notify"):
        _literal_secrets(raw.get(section), (section,), slips)
    draft.table = _tables(draft)
    return draft


def _text(path: Path, slips: Slips) -> str | None:
    why = "nothing can run without it"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        slips.add("TO1070", (), f"{path.name} is not there", why, "run `tieout init`, or go to the project folder")
        return None
    except OSError as error:
        slips.add("TO1070", (), f"cannot be read: {error.strerror}", why, "make it readable")
        return None
    if len(data) > FILE_BYTES_MAX:
        slips.add(
            "TO1070", (), f"longer than {FILE_BYTES_MAX} bytes", "no configuration is that long", "is it the file?"
        )
        return None
    try:
        # TOML wants LF or CRLF; tomllib normalises the same way, so lines agree.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        slips.at(f"{path.name}:{line}:{column}", "TO1071", "not UTF-8 text", why, "save the file as UTF-8")
        return None


def _syntax(slips: Slips, message: str, text: str) -> None:
    match = re.search(r"\(at line (\d+), column (\d+)\)", message)
    what = message.partition(" (at ")[0]
    if match:
        line, column = int(match[1]), int(match[2])
    else:
        line, column = text.count("\n") + 1, 1
    fix = "a key is written twice, or a table is opened twice" if "overwrite" in what or "twice" in what else ""
    if "Cannot declare" in what:
        fix = "this table is already there above; put the keys into that one"
    why = "the rest of the file cannot be read before this is mended"
    slips.at(f"{slips.file}:{line}:{column}", "TO1071", f"not TOML: {what}", why, fix or "mend this line")


def _literal_secrets(value: Any, path: KeyPath, slips: Slips) -> None:
    """Find secrets written out, in any section that a connector or the store reads."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _literal_secrets(inner, (*path, key), slips)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _literal_secrets(inner, (*path, index), slips)
    elif isinstance(value, str) and looks_secret(str(path[-1]), value):
        refuse_literal(slips, path)


def _tables(draft: Draft) -> FileTable | None:
    data = deepcopy(draft.raw)
    for attempt in range(REPAIRS_MAX):
        try:
            return FileTable.model_validate(data, context={"root": draft.root})
        except ValidationError as error:
            if attempt == 0:
                form_slips(error, FileTable, draft.raw, (), draft.slips)
            for complaint in error.errors(include_url=False, include_input=False):
                draft.slips.refused.add(complaint["loc"])
                _repair(data, complaint["loc"], missing=complaint["type"] == "missing")
    return None


def _repair(data: dict[str, Any], loc: tuple[str | int, ...], *, missing: bool) -> None:
    """Take out what was refused, or put in a stand-in for what is missing. Lists keep their indices: positions hang on them."""
    while loc:
        parent = value_at(data, loc[:-1])
        if isinstance(parent, dict):
            name = str(loc[-1])
            if missing:
                parent[name] = deepcopy(_STAND_INS.get(name, "?"))
            else:
                parent.pop(name, None)
            return
        loc, missing = loc[:-1], False
