"""A connector that does everything wrong, installed like any other: the core says so, and the other streams go on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest
from tests.operations.conftest import first_feeds

from tieout.cli.root import cli
from tieout.cli.shell import run_cli

HOSTILE = '''
    """Raises, lies about types, prints, makes floats; `way` says which."""
    import sys
    from pydantic import BaseModel, ConfigDict
    from tieout import Manifest, Page, StockReport, StockRow, Stream, hookimpl

    class Config(BaseModel):
        model_config = ConfigDict(extra="allow")
        way: str

    GOOD = {"number": "H-1", "at": "2026-01-05T10:00:00+00:00", "sku": "MUG", "site": "MAIN", "qty": "1", "price": "5.00"}

    class Hostile:
        manifest = Manifest(name="hostile", vendor="Nobody", version="1", roles=("source",), config=Config,
                            streams=(Stream(name="moves", key=("number",)),))

        def __init__(self, context):
            self.way = context.config.way
            if self.way == "raises at birth":
                raise ValueError("born angry")

        def check(self):
            if self.way == "raises in check":
                raise ValueError("do not ask")
            return "all is well" if self.way == "lies in check" else []

        def streams(self):
            if self.way == "lies in streams":
                return ["moves"]
            return self.manifest.streams

        def pull(self, stream, cursor, until):
            if self.way == "prints":
                print("I AM ON STDOUT")
                sys.stdout.write("AND HERE")
            if self.way == "raises at once":
                raise ZeroDivisionError("at once")
            yield Page(records=[GOOD] if self.way != "makes floats" else [{**GOOD, "qty": 0.1}], cursor="1")
            if self.way == "raises later":
                raise KeyError("later")
            if self.way == "hands over a dict":
                yield {"records": []}
            if self.way == "hands over words":
                yield Page(records=["a record"], cursor="2")
            if self.way == "has no cursor":
                yield Page(records=[GOOD], cursor=None)
            if self.way == "exits":
                sys.exit(0)

        def stock(self, as_of):
            if self.way == "lies about stock":
                return StockReport(as_of, (StockRow("MUG", "MAIN", 0.1),))
            if self.way == "raises in stock":
                raise RuntimeError("no stock for you")
            return None

    @hookimpl
    def tieout_connector():
        return Hostile
'''
MAPPING = """
mapping: hostile_moves
version: "1"
stream: moves
record: one movement
events:
  - type: stock.adjusted
    fields: {effective_at: at, document: number}
    lines:
      fields: {item: sku, quantity: qty, location: site, unit: {const: each}, reason: {const: found}}
"""
CONNECTION = """
[connections.bad]
id = "bad"
connector = "hostile"
company = "main"
way = "WAY"

[[connections.bad.streams]]
name = "moves"
mapping = "hostile.yaml"
"""


class Said(NamedTuple):
    """What a command answered: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """A project with the hostile connector beside a good one, and a way to run commands on it."""
    site = tmp_path / "site"
    (site / "hostile-1.dist-info").mkdir(parents=True)
    (site / "tieout_hostile.py").write_text(dedent(HOSTILE))
    (site / "hostile-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    (site / "hostile-1.dist-info/entry_points.txt").write_text("[tieout.connectors]\nhostile = tieout_hostile\n")
    monkeypatch.syspath_prepend(str(site))
    first_feeds(tmp_path)
    (tmp_path / "hostile.yaml").write_text(MAPPING)

    def run(way: str, command: str) -> Said:
        with (tmp_path / "tieout.toml").open("a") as file:
            file.write(CONNECTION.replace("WAY", way))
        code = run_cli(cli, [command, "-C", str(tmp_path), "--json"])
        return Said(code, *capsys.readouterr())

    yield run
    sys.modules.pop("tieout_hostile", None)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("raises at once", "TO9013"),
        ("raises later", "TO9013"),
        ("hands over a dict", "TO9014"),
        ("hands over words", "TO9014"),
        ("has no cursor", "TO9014"),
        ("makes floats", "TO9014"),
        ("lies in streams", "TO9014"),
        ("raises at birth", "TO9013"),
    ],
)
def test_it_stops_itself_and_nobody_else(run: Run, way: str, said: str) -> None:
    done = run(way, "pull")
    assert "Traceback" not in done.err, done.err
    rows = {f"{r['connection']}/{r['stream']}": r for r in done.answer["streams"]}
    bad = rows["bad/moves"]
    assert said in json.dumps(bad) or "connector hostile (bad)" in bad["note"], bad
    assert bad["events"] == 0
    assert sum(row["events"] for name, row in rows.items() if name != "bad/moves") > 0


def test_what_it_prints_is_not_in_the_answer(run: Run) -> None:
    done = run("prints", "pull")
    assert done.code == 0, done.err
    assert next(r for r in done.answer["streams"] if r["connection"] == "bad")["events"] == 1
    assert "I AM ON STDOUT" in done.err


@pytest.mark.parametrize("way", ["lies about stock", "raises in stock"])
def test_its_stock_is_not_believed_and_the_run_ends(run: Run, way: str) -> None:
    done = run(way, "run")
    assert "Traceback" not in done.err, done.err
    assert done.answer["companies"]
    assert "connector hostile (bad)" in done.out + done.err


@pytest.mark.parametrize("way", ["raises in check", "lies in check"])
def test_the_doctor_survives_it(run: Run, way: str) -> None:
    done = run(way, "doctor")
    assert "Traceback" not in done.err, done.err
    found = [f for f in done.answer["findings"] if "hostile" in f["what"] or "bad" in f["what"]]
    assert any(f["level"] == "error" for f in found), found
