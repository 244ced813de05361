"""Master data from and to files: CSV with a header row, or JSON (a list of objects). A file is taken whole or not at all.

Items: sku, name, category, stock_unit, units (`XBX=12;XCT=144`), gtin, stocked, kind, catalogue_cost, weight, volume, aliases.
Locations: code, name, kind, owner, aliases. Parties: code, name, kind, group, aliases.
Aliases are `EXTERNAL` or `CONNECTION:EXTERNAL`, several apart by `;`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from tieout.errors import StoreError
from tieout.model.master import Item, Location, Party
from tieout.model.units import unit_code
from tieout.store.masters import ALWAYS, KEY_FIELD, MODELS, Kind, Masters, put, put_aliases
from tieout.store.tx import Tx

ROWS_MAX = 1_000_000
_TRUE, _FALSE = {"1", "true", "yes", "y"}, {"0", "false", "no", "n"}


class Imported(NamedTuple):
    """What an import did."""

    rows: int
    changed: int
    aliases: int


def import_file(
    tx: Tx, company: int, actor: str, kind: Kind, path: Path, *, connection: str = "", effective: date = ALWAYS
) -> Imported:
    """Take a file of master records. A wrong row refuses the file: StoreError TO8016 naming row, field and reason.

    `connection` is whose ids the plain aliases are ('' for all).
    """
    rows = _rows(path)
    models: list[Item | Location | Party] = []
    aliases: list[tuple[str, str, str]] = []
    seen: dict[str, int] = {}
    for number, row in rows:
        model = _model(kind, row, f"{path}:{number}")
        code: str = getattr(model, KEY_FIELD[kind])
        if code in seen:
            raise _refused(f"{path}:{number}", KEY_FIELD[kind], f"{code!r} is also in row {seen[code]}")
        seen[code] = number
        models.append(model)
        for text in _list(row.get("aliases")):
            where, _, external = text.rpartition(":") if ":" in text else (connection, "", text)
            aliases.append((where, external, code))
    changed = put(tx, company, actor, models, effective=effective)
    return Imported(len(models), changed, put_aliases(tx, company, actor, kind, aliases, effective=effective))


def _rows(path: Path) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """(line number in a CSV file or position in a JSON list, row)."""
    if path.suffix.lower() == ".json":
        try:
            data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except ValueError as error:
            raise StoreError(
                f"{path} is not JSON: {error}", code="TO8016", where=str(path), fix="mend the file"
            ) from None
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise StoreError(f"{path} is not a list of objects", code="TO8016", where=str(path), fix="mend the file")
        return list(enumerate(data, 1))
    text = path.read_text(encoding="utf-8-sig")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows: list[tuple[int, Mapping[str, Any]]] = []
    for row in reader:
        if None in row:
            raise _refused(f"{path}:{reader.line_num}", "row", "more cells than the header has columns")
        rows.append((reader.line_num, row))
    if len(rows) > ROWS_MAX:
        raise StoreError(f"{path} has more than {ROWS_MAX} rows", code="TO8016", where=str(path), fix="split the file")
    return rows


def _model(kind: Kind, row: Mapping[str, Any], where: str) -> Item | Location | Party:
    known = set(MODELS[kind].model_fields) | {"aliases"}
    values: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or value == "":
            continue
        if name not in known:
            raise _refused(where, name, f"no such column for a {kind}; known: {', '.join(sorted(known))}")
        if name != "aliases":
            values[name] = _value(name, value, where)
    try:
        return MODELS[kind](**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise _refused(where, ".".join(map(str, first["loc"])), first["msg"]) from None


def _value(name: str, value: Any, where: str) -> Any:
    if name == "units":
        pairs = value.items() if isinstance(value, Mapping) else [text.partition("=")[::2] for text in _list(value)]
        return {_unit(unit, where): _factor(count, where) for unit, count in pairs}
    if name == "stock_unit":
        return _unit(value, where)
    if name == "stocked" and isinstance(value, str):
        if value.strip().lower() not in _TRUE | _FALSE:
            raise _refused(where, name, f"{value!r} is neither yes nor no")
        return value.strip().lower() in _TRUE
    return value.strip() if isinstance(value, str) else value


def _unit(text: str, where: str) -> str:
    code = unit_code(text)
    if code is None:
        raise _refused(where, "unit", f"{text!r} is neither a UN/CEFACT code nor a known unit name")
    return code


def _factor(text: object, where: str) -> Fraction:
    try:
        value = Fraction(str(text).strip())
    except (ValueError, ZeroDivisionError):
        raise _refused(where, "units", f"{text!r} is not a number of stock units") from None
    if value <= 0:
        raise _refused(where, "units", f"{text!r} is not above zero")
    return value


def _list(value: Any) -> Sequence[str]:
    parts = value if isinstance(value, list) else str(value or "").split(";")
    return [str(part).strip() for part in parts if str(part).strip()]


def _refused(where: str, field: str, why: str) -> StoreError:
    return StoreError(f"{field}: {why}; nothing of the file was taken", code="TO8016", where=where, fix="mend that row")


def export_csv(masters: Masters, kind: Kind) -> str:
    """The master records of a kind as CSV that `import_file` reads back."""
    columns = [*MODELS[kind].model_fields, "aliases"]
    aliases: dict[str, list[str]] = {}
    for connection, external, code, effective in masters.aliases(kind):
        if effective == ALWAYS:
            aliases.setdefault(code, []).append(f"{connection}:{external}")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for code in masters.codes(kind):
        model = getattr(masters, kind)(code)
        writer.writerow([_text(getattr(model, name)) for name in columns[:-1]] + [";".join(aliases.get(code, ()))])
    return out.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ";".join(f"{unit}={count}" for unit, count in sorted(value.items()))
    return str(value)
