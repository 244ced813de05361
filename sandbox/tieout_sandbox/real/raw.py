"""Reading the published files with plain Python, apart from everything tieout does: the independent side of the check."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

GENERATED = "generated"  # folder of feeds that are not in the data and say so in their document numbers

METHODS = ("fifo", "weighted_average", "standard")


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a gzipped CSV file with a header."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def cents(exact: Decimal) -> int:
    """Minor units of an exact amount of a two-decimal currency, half to even."""
    return int((exact * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def money(minor: int) -> str:
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def write_table(path: Path, header: Sequence[str], body: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(body)


@dataclass
class Facts:
    """What a plain reading of the raw file says.

    `counts` are rows and units by kind, as the data set's own description counts them. `balances` are account roles and
    their closing balance in minor units, debit positive. `on_hand` is the closing quantity by (item, location).
    `records` is how many the feeds hold. `skipped` counts the records that are no stock movement, by reason; `held` names
    what must become an exception. `rows` counts the event lines that a row of the posting matrix must have booked.
    `estimates` are the units by item whose cost is still an estimate at the end of the day `estimates_on`, and
    `never_bought` those of the items for which no cost will ever come, with the value of their estimates in minor units. `shown` names accounts (by role) whose balance
    belongs in the report.
    """

    records: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    on_hand: dict[tuple[str, str], int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    estimates: dict[str, int] = field(default_factory=dict)
    estimates_on: str = ""
    never_bought: frozenset[str] = frozenset()
    never_bought_value: int = 0
    shown: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """One stream of the project's `files` connection, as written to `tieout.toml`."""

    name: str
    path: str
    mapping: str
    options: Mapping[str, Any]
    joins: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Project:
    """What a data set's `tieout.toml` is made of."""

    name: str
    connection: str
    currency: str
    timezone: str
    policies: Mapping[str, str]
    streams: Sequence[Stream]
    folder: Path  # of the raw data, read in place


def toml(value: Any) -> str:
    """A TOML value of a text, a truth, a number, a list or a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f'"{key}" = {toml(item)}' for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def write_config(folder: Path, project: Project) -> None:
    """`tieout.toml` for a `files` source and a beancount ledger beside it."""
    out = [
        "[project]",
        f"name = {toml(project.name)}",
        'store = "sqlite:///tieout.db"',
        "",
        "[companies.main]",
        f"legal_name = {toml(project.name)}",
        f"currency = {toml(project.currency)}",
        f"timezone = {toml(project.timezone)}",
        'ledger = "books"',
        'items_file = "items.csv"',
        'locations_file = "locations.csv"',
        'parties_file = "parties.csv"',
        'accounts_template = "beancount"',
        "",
        "[[companies.main.policies]]",
        *(f"{key} = {toml(value)}" for key, value in project.policies.items()),
        "",
        f"[connections.{project.connection}]",
        f"id = {toml(project.connection)}",
        'connector = "files"',
        'company = "main"',
        f"folders = {toml([str(project.folder)])}",
    ]
    for stream in project.streams:
        out += ["", f"[[connections.{project.connection}.streams]]", f"name = {toml(stream.name)}"]
        out.append(f"path = {toml(stream.path)}")
        if stream.mapping:
            out.append(f"mapping = {toml('shipped:' + stream.mapping)}")
        out += [f"{key} = {toml(value)}" for key, value in stream.options.items()]
        for join in stream.joins:
            out += ["", f"[[connections.{project.connection}.streams.join]]"]
            out += [f"{key} = {toml(value)}" for key, value in join.items()]
    out += ["", "[connections.books]", 'id = "books"', 'connector = "beancount"', 'company = "main"']
    out += ['path = "books.beancount"', ""]
    (folder / "tieout.toml").write_text("\n".join(out), encoding="utf-8")
