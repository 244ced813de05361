"""Reports: their figures by hand, their control totals, the same values in every form, the same bytes every time."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook
from pydantic import TypeAdapter

from tieout.cli import shell
from tieout.cli.root import cli
from tieout.errors import UsageError
from tieout.model.event import EPOCH
from tieout.operations.answers import ANSWERS, answer_schema
from tieout.reports.formats import to_csv, to_json, to_text, to_xlsx
from tieout.reports.report import Report
from tieout.workspace import Workspace, report_names

JANUARY = {"period": "2026-01"}
NAMES = [row["name"] for row in report_names()]


def rows(report: Report) -> list[dict[str, object]]:
    found: list[dict[str, object]] = report.as_dict()["rows"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_report_proves_itself(work: Workspace, name: str) -> None:
    about = work.report(name, **JANUARY).about()
    assert all(check["ok"] for check in about["checks"]), about["checks"]
    assert about["as_of"] == "2026-01-31"
    assert about["query"]
    assert "fifo" in about["policy"]
    assert "rules" in about["policy"]
    assert about["count"] == len(work.report(name, **JANUARY).rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_report_gives_the_same_bytes(late_books: Path, name: str) -> None:
    made = []
    for _ in range(2):
        with Workspace.open(late_books, actor="ann") as work:
            report = work.report(name, **JANUARY)
            made.append((to_csv(report), to_json(report), to_xlsx(report), to_text(report)))
    assert made[0] == made[1]


def test_roll_forward_is_opening_in_out_corrections_closing(work: Workspace) -> None:
    found = {row["item"]: row for row in rows(work.report("roll-forward", **JANUARY))}
    # opening document 40.00 and receipt 50.00; 11 mugs left at 10 x 4.00 + 1 x 5.00; later: bill +2.00, freight +4.00,
    # a twelfth mug, and the eleventh at 5.60: -6.20
    mug = [found["MUG"][name] for name in ("opening", "in", "out", "corrections", "closing")]
    assert mug == ["0.00", "90.00", "45.00", "-0.20", "44.80"]
    assert found["MUG"]["closing_quantity"] == "8"
    bowl = [found["BOWL"][name] for name in ("opening", "in", "out", "corrections", "closing")]
    assert bowl == ["0.00", "50.00", "10.00", "0.00", "40.00"]


def test_roll_forward_opens_where_the_period_before_closed(work: Workspace) -> None:
    found = work.report("roll-forward", period="2026-02", by="location,account")
    assert [(row["location"], row["opening"], row["closing"]) for row in rows(found)] == [
        ("EAST", "40.00", "40.00"),
        ("MAIN", "44.80", "44.80"),
    ]


def test_margin_has_the_corrected_cost_by_item_channel_and_period(work: Workspace) -> None:
    found = work.report("margin", **JANUARY)
    costs = {(row["item"], row["channel"], row["period"]): (row["units"], row["cost_of_sales"]) for row in rows(found)}
    assert costs == {("BOWL", "web", "2026-01"): ("1", "10.00"), ("MUG", "web", "2026-01"): ("12", "51.20")}


def test_grni_lists_what_is_received_and_not_billed_with_its_age(early: Workspace, work: Workspace) -> None:
    found = rows(early.report("grni", as_of="2026-03-01"))
    line = {name: found[0][name] for name in ("document", "party", "item", "amount", "since", "days", "age", "side")}
    assert line == {
        "document": "GR-1",
        "party": "SUP-1",
        "item": "MUG",
        "amount": "-50.00",
        "since": "2026-01-05",
        "days": 55,
        "age": "31-60",
        "side": "",
    }
    assert rows(work.report("grni", as_of="2026-03-01")) == []  # billed: nothing is open


def test_the_cut_off_is_what_it_was_on_that_day(work: Workspace) -> None:
    """GR-1 came on the 5th and was billed on the 8th."""
    assert rows(work.report("cut-off", as_of="2026-01-04")) == []
    assert [(row["what"], row["document"]) for row in rows(work.report("cut-off", as_of="2026-01-07"))] == [
        ("received, not billed", "GR-1")
    ]
    assert rows(work.report("cut-off", as_of="2026-01-08")) == []


def test_cost_changes_name_the_jump_and_the_cause(work: Workspace) -> None:
    found = rows(work.report("cost-changes", **JANUARY, threshold="10"))
    assert [(row["what"], row["before"], row["after"], row["change_percent"]) for row in found] == [
        ("receipt at another cost", "4.00", "5.00", "25.00")
    ]
    finer = rows(work.report("cost-changes", **JANUARY, threshold="3"))
    changed = {(row["document"], row["cause"]): row["amount"] for row in finer if row["what"] == "changed later"}
    assert changed == {("GR-1", "VB-1"): "2.00", ("GR-1", "FB-1"): "4.00"}


def test_valuation_is_as_of_a_day_and_as_known_at_an_instant(work: Workspace) -> None:
    on_the_fifth = {row["item"]: row["value"] for row in rows(work.report("valuation", as_of="2026-01-05"))}
    assert on_the_fifth == {"BOWL": "50.00", "MUG": "90.00"}  # the bill is of the 8th, the freight of the 9th
    with work.store.read() as rx:
        runs = rx.execute(sa.text("SELECT max(received_at) FROM batch GROUP BY run ORDER BY 1")).scalars().all()
    after_the_first = (EPOCH + timedelta(microseconds=runs[0])).isoformat()
    before = work.report("valuation", as_of="2026-01-31", as_known=after_the_first)
    assert before.totals()["value"] == "85.00"  # neither bill nor freight nor the twelfth mug was known
    assert work.report("valuation", as_of="2026-01-31").totals()["value"] == "84.80"
    assert work.report("valuation", as_of="2026-01-31", as_known="2025-12-31").rows == []


def test_ageing_adds_up_to_the_valuation(work: Workspace) -> None:
    ageing, valuation = work.report("ageing", **JANUARY), work.report("valuation", **JANUARY)
    assert ageing.totals()["value"] == valuation.totals()["value"] == "84.80"
    assert {(row["item"], row["date"], row["days"]) for row in rows(ageing)} == {
        ("MUG", "2026-01-05", 26),
        ("BOWL", "2026-01-01", 30),
    }


def test_text_csv_json_and_workbook_say_the_same(work: Workspace, tmp_path: Path) -> None:
    report = work.report("roll-forward", **JANUARY)
    lines = list(csv.reader(io.StringIO(to_csv(report))))
    body = [line for line in lines if not line[0].startswith("# ")]
    proof = {line[0]: line[1] for line in lines if line[0].startswith("# ")}
    assert proof["# rows"] == "2"
    assert proof["# total closing"] == "84.80"
    as_json = json.loads(to_json(report))
    assert [list(row.values()) for row in as_json["rows"]] == body[1:]
    file = tmp_path / "r.xlsx"
    file.write_bytes(to_xlsx(report))
    book = load_workbook(file)
    sheet = [[str(cell) for cell in row] for row in book["rows"].iter_rows(values_only=True)]
    assert sheet[0] == body[0]
    assert [row[0] for row in sheet[1:]] == ["BOWL", "MUG"]
    mug = [round(cell * 100) for cell in next(book["rows"].iter_rows(min_row=3, values_only=True))[6:]]
    assert mug == [0, 9000, 4500, -20, 4480]
    about = {row[0]: row[1] for row in book["about"].iter_rows(values_only=True)}
    assert about["total closing"] == "84.80"
    assert all(line in to_text(report) for line in ("84.80", "rows: 2"))


def test_a_wrong_name_parameter_or_day_is_refused_with_the_nearest(work: Workspace) -> None:
    with pytest.raises(UsageError, match="no report 'grn'") as nearest:
        work.report("grn")
    assert nearest.value.fix == "did you mean grni?"
    with pytest.raises(UsageError, match="takes no --by"):
        work.report("grni", by="item")
    with pytest.raises(UsageError, match="--by: colour"):
        work.report("margin", by="colour")
    with pytest.raises(UsageError, match="no period"):
        work.report("margin", period="2026-13")
    with pytest.raises(UsageError, match="not a day"):
        work.report("margin", as_of="yesterday")


def test_the_command_writes_files_and_prints(
    late_books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-C", str(late_books)]
    assert shell.run_cli(cli, ["report", "valuation", "--as-of", "2026-01-31", *where]) == 0
    assert "total value: 84.80" in capsys.readouterr().out
    file = tmp_path / "v.csv"
    assert shell.run_cli(cli, ["report", "valuation", "--as-of", "2026-01-31", "--csv", str(file), *where]) == 0
    assert "# total value,84.80" in file.read_text()
    assert shell.run_cli(cli, ["report", "--json", *where]) == 0
    assert NAMES[0] in capsys.readouterr().out


def test_the_answers_have_the_shape_that_is_promised(work: Workspace) -> None:
    answers = {
        "close": work.close_period("2026-01", only_check=True),
        "audit": work.audit_verify(),
    }
    reports = [("report", work.report(name, **JANUARY).as_dict()) for name in NAMES]
    for command, answer in [*answers.items(), *reports]:
        schema = answer_schema(command)
        assert set(schema["required"]) == set(answer), command
        TypeAdapter(ANSWERS[command]).validate_python(answer, strict=True)
