"""Reading a whole mapping file: header, lookup tables, tests."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tieout.mapping.limits import EVENTS_MAX, LOOKUP_BYTES_MAX, LOOKUP_ROWS_MAX
from tieout.mapping.read_events import read_events, read_skips
from tieout.mapping.reader import Reader
from tieout.mapping.spec import Lookup, MappingSpec, Place, TestSpec
from tieout.mapping.times import clock, zone
from tieout.mapping.tree import Node
from tieout.model.money import CURRENCIES

NEEDED: Final = ("mapping", "version", "stream", "record", "events")
KEYS: Final = (
    "mapping",
    "version",
    "stream",
    "record",
    "timezone",
    "time_of_day",
    "nulls",
    "defaults",
    "lookups",
    "skip",
    "events",
    "tests",
)
TEST_KEYS: Final = ("name", "record", "context", "events", "skipped", "refused")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def read_mapping(reader: Reader, root: Node, files: Mapping[str, str]) -> MappingSpec:
    """The whole file. `files` holds the text of each file a lookup names, by the name written there."""
    spec = MappingSpec()
    entries = reader.keys(root, "mapping", KEYS, NEEDED)
    if not entries:
        return spec
    _header(reader, entries, spec)
    if "lookups" in entries:
        _lookups(reader, entries["lookups"], files)
    spec.lookups = reader.lookups
    spec.skip = read_skips(reader, entries.get("skip"))
    defaults: dict[str, Node] = {}
    if "defaults" in entries:
        if isinstance(entries["defaults"].value, dict):
            defaults = entries["defaults"].value
        else:
            reader.slip(entries["defaults"], "TO2005", "defaults is a map of field names to field specs")
    if "events" in entries:
        spec.events = read_events(reader, entries["events"], defaults, entries.get("skip"))
    _check_defaults(reader, entries.get("defaults"), spec)
    spec.tests = tuple(_test(reader, child) for child in reader.items(entries.get("tests"), "tests", 10 * EVENTS_MAX))
    return spec


def _header(reader: Reader, entries: dict[str, Node], spec: MappingSpec) -> None:
    spec.name = reader.text(entries.get("mapping"), "mapping")
    if spec.name and not _NAME.fullmatch(spec.name):
        reader.slip(entries["mapping"], "TO2005", f"mapping name {spec.name!r}: lower case letters, digits and _")
    version = entries.get("version")
    plain = version is not None and type(version.value) is int  # 1.10 would read as 1.1, so only whole numbers
    spec.version = version.text if version is not None and plain else reader.text(version, "version")
    spec.stream = reader.text(entries.get("stream"), "stream")
    spec.record = reader.text(entries.get("record"), "record")
    if "timezone" in entries:
        spec.timezone = reader.text(entries["timezone"], "timezone") or None
        try:
            zone(spec.timezone or "UTC")
        except ValueError as error:
            reader.slip(entries["timezone"], "TO2005", f"timezone: {error}")
            spec.timezone = None
    if "time_of_day" in entries:
        try:
            spec.time_of_day = clock(reader.text(entries["time_of_day"], "time_of_day"))
        except ValueError as error:
            reader.slip(entries["time_of_day"], "TO2005", f"time_of_day: {error}")
    if "nulls" in entries:
        members = entries["nulls"].value if isinstance(entries["nulls"].value, list) else []
        if not members or any(not isinstance(member.value, str) for member in members):
            reader.slip(entries["nulls"], "TO2005", 'nulls is a list of texts, such as ["", "NULL"]')
        spec.nulls = frozenset(str(member.value) for member in members) | {""}


def _check_defaults(reader: Reader, node: Node | None, spec: MappingSpec) -> None:
    if node is None or not isinstance(node.value, dict):
        return
    used = {name for event in spec.events for name in event.fields}
    for name in node.value:
        if name not in used and all(event.type for event in spec.events):
            why = "no event type of this mapping carries it"
            reader.slip(node.places[name], "TO2007", f"defaults: {name!r} fills nothing", why, wrong=name, names=used)


def _lookups(reader: Reader, node: Node, files: Mapping[str, str]) -> None:
    if not isinstance(node.value, dict):
        reader.slip(node, "TO2005", "lookups is a map of names to tables")
        return
    for name, child in node.value.items():
        entries = reader.keys(child, f"lookup {name}", ("table", "file", "key", "value"))
        table: dict[str, Any] = {}
        places: dict[str, Place] = {}
        if ("table" in entries) == ("file" in entries):
            reader.slip(child, "TO2015", f"lookup {name} has either `table` or `file`")
        elif "table" in entries:
            table, places = _inline(reader, name, entries["table"])
        else:
            table = _from_file(reader, name, entries, files)
        reader.lookups[name] = Lookup(name, table, places)


def _inline(reader: Reader, name: str, node: Node) -> tuple[dict[str, Any], dict[str, Place]]:
    if not isinstance(node.value, dict) or not node.value:
        reader.slip(node, "TO2015", f"lookup {name}: table is a map of values to values")
        return {}, {}
    places = {key: (child.line, child.column) for key, child in node.value.items()}
    return {key: reader.constant(child, f"lookup {name}: {key}") for key, child in node.value.items()}, places


def _from_file(reader: Reader, name: str, entries: dict[str, Node], files: Mapping[str, str]) -> dict[str, Any]:
    filename = reader.text(entries["file"], "file")
    at = entries["file"]
    if not filename:
        return {}
    if filename not in files:
        why = "it stands beside the mapping file"
        reader.slip(at, "TO2015", f"lookup {name}: no file {filename!r}", why, wrong=filename, names=files)
        return {}
    content = files[filename]
    if len(content) > LOOKUP_BYTES_MAX:
        reader.slip(at, "TO2015", f"lookup {name}: {filename} is larger than {LOOKUP_BYTES_MAX // 1024**2} MiB")
        return {}
    try:
        table = (
            _json_table(content)
            if filename.lower().endswith(".json")
            else _csv_table(content, reader.text(entries.get("key"), "key"), reader.text(entries.get("value"), "value"))
        )
        if not table:
            raise ValueError("it has no rows")
    except (ValueError, csv.Error, RecursionError) as error:
        reader.slip(at, "TO2015", f"lookup {name}: {filename}: {error}")
        return {}
    return table


def _csv_table(content: str, key: str, value: str) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline=""))
    missing = {key, value} - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"no column {min(missing)!r}; `key` and `value` name its columns")
    table: dict[str, str] = {}
    for row in rows:
        if row[key] in table:
            raise ValueError(f"line {rows.line_num}: {row[key]!r} stands there twice")
        if row[key] is None or row[value] is None:
            raise ValueError(f"line {rows.line_num}: the row is too short")
        table[row[key]] = row[value]
        if len(table) > LOOKUP_ROWS_MAX:
            raise ValueError(f"more than {LOOKUP_ROWS_MAX} rows")
    return table


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands there twice")
    return table


def _json_table(content: str) -> dict[str, Any]:
    table = json.loads(content, parse_float=Decimal, object_pairs_hook=_unique)
    if not isinstance(table, dict) or any(isinstance(value, (dict, list)) or value is None for value in table.values()):
        raise ValueError("it is not one object of plain values")
    if len(table) > LOOKUP_ROWS_MAX:
        raise ValueError(f"more than {LOOKUP_ROWS_MAX} rows")
    return table


def _test(reader: Reader, node: Node) -> TestSpec:
    entries = reader.keys(node, "test", TEST_KEYS, ("name", "record"))
    record = entries["record"].plain() if "record" in entries else {}
    test = TestSpec(node, reader.text(entries.get("name"), "name"), record)
    if not isinstance(record, dict):
        reader.slip(entries["record"], "TO2005", "record is a map, as the source sends it")
        test.record = {}
    if len({"events", "skipped", "refused"} & entries.keys()) != 1:
        reader.slip(node, "TO2004", f"test {test.name!r} states one of events, skipped, refused")
    if "context" in entries:
        context = reader.keys(entries["context"], "context", ("currency", "timezone"))
        test.currency = reader.text(context.get("currency"), "currency") or test.currency
        test.timezone = reader.text(context.get("timezone"), "timezone") or test.timezone
        if test.currency not in CURRENCIES:
            reader.slip(
                context["currency"], "TO2005", f"no currency {test.currency!r}", wrong=test.currency, names=CURRENCIES
            )
            test.currency = "USD"
        try:
            zone(test.timezone)
        except ValueError as error:
            reader.slip(context["timezone"], "TO2005", str(error))
            test.timezone = "UTC"
    if "events" in entries:
        items = reader.items(entries["events"], "events", EVENTS_MAX)
        test.events = tuple(item.plain() for item in items if isinstance(item.value, dict))
    test.skipped = reader.text(entries.get("skipped"), "skipped")
    test.refused = reader.text(entries.get("refused"), "refused")
    return test
