"""Thirty slips in one project, in its configuration, its account map and its mapping files: one offline `tieout check`
finds each of them at its line and column, with what to write instead.

`new` replaces `old` in its file; the slip must stand where `at` begins in the changed text.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tieout.cli.root import cli
from tieout.cli.shell import run_cli

TOML = """\
[project]
name = "Thirty"

[companies.main]
legal_name = "Thirty GmbH"
currency = "EUR"
timezone = "Europe/Berlin"
ledger = "books"
mode = "post"
items_file = "items.csv"
locations_file = "locations.csv"
accounts_template = "beancount"
accounts_file = "accounts.csv"
locked_through = 2025-12-31

[[companies.main.policies]]
cost_method = "fifo"
rounding = "half_up"

[companies.main.posting]
grouping = "daily"
seal_lag = "2h"

[companies.main.reasons]
"Broken" = "damage"

[connections.files]
id = "files"
connector = "files"
company = "main"

[[connections.files.streams]]
name = "movements"
path = "inbox/movements*.csv"
key = ["id"]
revision = "revision"
mapping = "movements.yaml"

[[connections.files.streams]]
name = "receipts"
path = "inbox/receipts*.jsonl"
key = ["receipt_no"]
mapping = "receipts.yaml"

[connections.books]
id = "books"
connector = "beancount"
path = "books.beancount"

[sla]
freshness_warn = "6h"
freshness_error = "24h"

[exceptions.owners]
TO3 = "ann"
"""
ACCOUNTS = """\
role,account,item,category,reason,location,channel,party_group,effective
cogs,Expenses:COGS-Toys,,toys,,,,,
cogs,Expenses:COGS-New,,toys,,,,,2026-07-01
shrinkage,Expenses:Lost,,,theft,,,,
ppv,Expenses:PPV,,,,,,,
revenue,Income:Web,,,,,web,,
damage_loss,Expenses:Broken,,,,,,,
"""
MOVEMENTS = """\
mapping: movements
version: "1"
stream: movements
record: one movement
skip:
  - when: {from: kind, in: [draft, cancelled]}
    reason: not done
events:
  - type: purchase.received
    when: {from: kind, eq: receipt}
    fields: {effective_at: date, document: document, party: party}
    lines:
      fields: {item: sku, quantity: quantity, location: location, unit_price: unit_price}
  - type: order.fulfilled
    when: {from: kind, eq: shipment}
    fields: {effective_at: date, document: document, party: party}
    lines:
      fields: {item: sku, quantity: quantity, location: location}
  - type: stock.adjusted
    when: {from: kind, eq: adjustment}
    fields: {effective_at: date, document: document}
    lines:
      fields: {item: sku, quantity: quantity, location: location, reason: reason}
"""
RECEIPTS = """\
mapping: receipts
version: "1"
stream: receipts
record: one goods receipt with its lines
events:
  - type: purchase.received
    fields:
      effective_at: received_at
      document: receipt_no
      party: {from: supplier, default: NOBODY}
    lines:
      each: lines
      id: line
      fields:
        item: {from: sku, convert: trim}
        quantity: {from: quantity, required: true}
        unit: {from: unit, convert: upper}
        location: $parent.location
        unit_price: unit_price
"""
FILES = {
    "tieout.toml": TOML,
    "accounts.csv": ACCOUNTS,
    "movements.yaml": MOVEMENTS,
    "receipts.yaml": RECEIPTS,
    "items.csv": "sku,category\nMUG,toys\n",
    "locations.csv": "code\nMAIN\n",
}


class Slip(NamedTuple):
    file: str
    old: str
    new: str
    at: str
    suggestion: str


SLIPS = [
    Slip("tieout.toml", "legal_name =", "legalname =", "legalname", "legal_name"),
    Slip("tieout.toml", '"Europe/Berlin"', '"Europe/Berln"', '"Europe/Berln"', "Europe/Berlin"),
    Slip("tieout.toml", 'ledger = "books"', 'ledger = "boks"', '"boks"', "books"),
    Slip("tieout.toml", 'mode = "post"', 'mode = "posts"', '"posts"', "post"),
    Slip("tieout.toml", '"locations.csv"', '"location.csv"', '"location.csv"', "locations.csv"),
    Slip("tieout.toml", '"half_up"', '"half_upp"', '"half_upp"', "half_up"),
    Slip("tieout.toml", '"fifo"', '"fifi"', '"fifi"', "fifo"),
    Slip("tieout.toml", 'grouping = "daily"', 'grouping = "dayly"', '"dayly"', "daily"),
    Slip("tieout.toml", 'seal_lag = "2h"', 'seal_lag = "2 hours"', '"2 hours"', "s, m, h or d"),
    Slip("tieout.toml", '= "damage"', '= "damaged"', '"damaged"', "damage"),
    Slip("tieout.toml", 'revision = "revision"', 'revison = "revision"', "revison", "revision"),
    Slip("tieout.toml", 'path = "books.beancount"', 'pth = "books.beancount"', "pth", "path"),
    Slip("tieout.toml", "freshness_warn", "freshness_warm", "freshness_warm", "freshness_warn"),
    Slip("tieout.toml", "TO3 = ", "T3 = ", "T3 =", "TO and one to four digits"),
    Slip("tieout.toml", "locked_through = 2025-12-31", 'locked_through = "31.12.2025"', '"31.12.2025"', "2026-01-31"),
    Slip("accounts.csv", "cogs,Expenses:COGS-Toys", "cogz,Expenses:COGS-Toys", "cogz", "cogs"),
    Slip("accounts.csv", "2026-07-01", "1.7.2026", "1.7.2026", "2026-01-31"),
    Slip("accounts.csv", "shrinkage,Expenses:Lost,,,theft", "shrinkage,Expenses:Lost,,,thefft", "shrinkage", "theft"),
    Slip("accounts.csv", "ppv,Expenses:PPV,,,,,,,", "ppv,Expenses:PPV,,,,,,,,x", "x\nrev", "quote a cell"),
    Slip("accounts.csv", "revenue,Income:Web", "revenu,Income:Web", "revenu,", "revenue"),
    Slip("accounts.csv", "damage_loss,Expenses:Broken", "damage_loss,", "damage_loss,", "fill it in"),
    Slip("movements.yaml", "type: order.fulfilled", "type: order.fulfiled", "order.fulfiled", "order.fulfilled"),
    Slip("movements.yaml", "unit_price: unit_price", "unit_prise: unit_price", "unit_prise", "unit_price"),
    Slip("movements.yaml", "reason: reason}", "reasn: reason}", "reasn", "reason"),
    Slip("movements.yaml", "party: party", "partty: party", "partty", "party"),
    Slip("receipts.yaml", "convert: upper", "convert: uper", "uper", "upper"),
    Slip("receipts.yaml", "default: NOBODY", "defalt: NOBODY", "defalt", "default"),
    Slip("receipts.yaml", "document: receipt_no", "documnt: receipt_no", "documnt", "document"),
    Slip("receipts.yaml", "convert: trim", "convert: trimm", "trimm", "trim"),
    Slip("receipts.yaml", "required: true", "requird: true", "requird", "required"),
]  # fmt: skip


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the checker went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], offline: None
) -> Callable[[dict[str, str], int], list[dict[str, Any]]]:
    """Write a project, check it by the command, and give the slips of its answer."""

    def run(texts: dict[str, str], code: int) -> list[dict[str, Any]]:
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        assert run_cli(cli, ["check", "--json", "-C", str(tmp_path)]) == code
        slips: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["slips"]
        return slips

    return run


Checked = Callable[[dict[str, str], int], list[dict[str, Any]]]


def test_without_them_the_project_is_right(checked: Checked) -> None:
    assert checked(FILES, 0) == []


def test_thirty_slips_are_found_at_once_each_at_its_place_with_its_suggestion(checked: Checked) -> None:
    texts = dict(FILES)
    for slip in SLIPS:
        assert slip.old in texts[slip.file], slip
        texts[slip.file] = texts[slip.file].replace(slip.old, slip.new, 1)
    found = {slip["where"]: slip for slip in checked(texts, 2)}
    wanted = {place(slip, texts[slip.file]): slip for slip in SLIPS}
    assert len(wanted) == len(SLIPS) == 30
    assert sorted(found) == sorted(wanted), "each at its line and column, and nothing else"
    for where, slip in wanted.items():
        told = found[where]
        assert told["level"] == "error"
        assert slip.suggestion in (told["nearest"] or told["fix"]), (where, told)
        assert told["why"], where


def place(slip: Slip, text: str) -> str:
    offset = text.index(slip.at)
    line_start = text.rfind("\n", 0, offset) + 1
    return f"{slip.file}:{text.count(chr(10), 0, offset) + 1}:{offset - line_start + 1}"
