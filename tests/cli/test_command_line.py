"""The command line keeps its promises: JSON in published shapes, documented exit codes, errors that say what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import TypeAdapter

from tieout.cli.root import cli
from tieout.cli.shell import run_cli
from tieout.operations.answers import ANSWERS


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter project after its first run."""
    folder = tmp_path_factory.mktemp("cli") / "books"
    assert run_cli(cli, ["init", str(folder), "--template", "files", "--name", "Try Ltd"]) == 0
    assert run_cli(cli, ["run", "-C", str(folder)]) == 0
    return folder


def answer(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run_cli(cli, [*words, "--json", "-C", str(folder)]) == code
    return json.loads(capsys.readouterr().out)


def test_the_starter_project_ties_out_to_the_cent(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = answer(capsys, project, "status")
    assert status["tied_out"] is True
    assert status["unexplained"] == "0.00"
    (company,) = status["companies"]
    inventory = next(row for row in company["accounts"] if row["role"] == "inventory")
    assert inventory["subledger"] == inventory["journal"] == inventory["ledger"] == "87.60"


@pytest.mark.parametrize(
    "command", ["pull", "plan", "run", "status", "reconcile", "exceptions list", "valuation", "check", "trace S-1"]
)
def test_answers_have_their_published_shape(project: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    words = command.split()
    given = answer(capsys, project, *words)
    TypeAdapter(ANSWERS[words[0]]).validate_python(
        given, strict=True, extra="forbid" if words[0] in ("pull", "plan") else "ignore"
    )


def test_a_second_run_posts_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = answer(capsys, project, "run")
    assert again["posted"]["bookings"] == 0
    assert again["delivered"]["posted"] == 0


def test_money_is_text_everywhere(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def floats(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [found for each in value.values() for found in floats(each)]
        if isinstance(value, list):
            return [found for each in value for found in floats(each)]
        return [value] if isinstance(value, float) else []

    for command in ("status", "reconcile", "valuation", "run"):
        assert floats(answer(capsys, project, command)) == []


def test_a_plan_is_applied_once_and_refused_when_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, saved = tmp_path / "books", tmp_path / "plan.json"
    run_cli(cli, ["init", str(folder), "--template", "files"])
    run_cli(cli, ["pull", "-C", str(folder)])
    assert run_cli(cli, ["plan", "--out", str(saved), "-C", str(folder)]) == 3
    more = "id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason\n"
    (folder / "inbox" / "movements-2026-02.csv").write_text(more + "90,1,shipment,2026-02-01,S-9,C-1,MUG,1,MAIN,,,\n")
    assert run_cli(cli, ["pull", "-C", str(folder)]) == 0
    assert run_cli(cli, ["apply", str(saved), "-C", str(folder)]) == 2
    assert "TO1094" in capsys.readouterr().err
    assert run_cli(cli, ["plan", "--out", str(saved), "-C", str(folder)]) == 3
    assert run_cli(cli, ["apply", str(saved), "-C", str(folder)]) == 0
    assert run_cli(cli, ["plan", "-C", str(folder)]) == 0


def test_an_unknown_sku_is_taught_and_posted_exactly_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "books"
    run_cli(cli, ["init", str(folder), "--template", "files"])
    more = "id,revision,kind,date,document,party,sku,quantity,location,unit_price,refers_to,reason\n"
    (folder / "inbox" / "movements-2026-02.csv").write_text(
        more + "91,1,receipt,2026-02-01,R-9,ACME,MUG-BLUE,2,MAIN,5.00,,\n"
    )
    (folder / "inbox" / "stock-2026-01-31.csv").unlink()
    assert run_cli(cli, ["run", "-C", str(folder)]) == 0
    (problem,) = answer(capsys, folder, "exceptions", "list")["exceptions"]
    assert (problem["code"], problem["amount"]) == ("TO3201", "10.00 USD")
    assert "tieout items alias MUG-BLUE MUG" in problem["fix"]
    assert run_cli(cli, ["items", "alias", "MUG-BLUE", "MUG", "-C", str(folder)]) == 0
    assert answer(capsys, folder, "exceptions", "retry", "--all")["resolved"] == 1
    assert answer(capsys, folder, "exceptions", "list")["count"] == 0
    before = answer(capsys, folder, "status")["companies"][0]["accounts"]
    assert answer(capsys, folder, "run")["posted"]["bookings"] == 0
    assert answer(capsys, folder, "run")["companies"][0]["accounts"][0]["journal"] == before[0]["journal"] == "97.60"


def test_openings_above_the_ledger_need_a_reason_and_post_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, opening = tmp_path / "books", tmp_path / "opening.csv"
    run_cli(cli, ["init", str(folder), "--template", "empty"])
    book = folder / "books.beancount"
    book.write_text(
        "1970-01-01 open Assets:Inventory:On-Hand\n1970-01-01 open Equity:Before\n\n"
        '2025-12-31 * "Carried over"\n  Assets:Inventory:On-Hand  47.20 USD\n  Equity:Before  -47.20 USD\n'
    )
    opening.write_text("item,location,quantity,value\nMUG,MAIN,10,50.00\n")
    words = ["cutover", str(opening), "--at", "2026-01-01", "--ledger-carries", "-C", str(folder)]
    assert run_cli(cli, words) == 2
    assert "2.80 USD" in capsys.readouterr().err
    assert run_cli(cli, [*words, "--approve-difference", "counted again"]) == 0
    run = answer(capsys, folder, "run")
    assert run["tied_out"], run["companies"][0]["details"]
    assert run["companies"][0]["accounts"][0]["ledger"] == "50.00"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["status"], 2, "tieout init"),
        (["explain", "TO9999"], 2, ""),
        (["statsu"], 2, "Did you mean `status`?"),
        (["value", "missing.jsonl"], 2, "does not exist"),
        (["schema", "order.fulfiled"], 2, "order.fulfilled"),
    ],
)
def test_a_wrong_call_says_what_to_do(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(cli, words) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("PUR-08", "events: purchase.billed"),
        ("TO3201", "unknown item"),
        ("order.fulfilled", "SAL-04"),
        ("grni", "clearing"),
        ("theft", "ADJ-03"),
    ],
)
def test_rows_codes_types_roles_and_reasons_are_explained(
    capsys: pytest.CaptureFixture[str], topic: str, told: str
) -> None:
    assert run_cli(cli, ["explain", topic]) == 0
    assert told in capsys.readouterr().out


def test_help_loads_neither_the_database_nor_http() -> None:
    code = (
        "import sys; from tieout.cli.root import cli; from tieout.cli.shell import run_cli; run_cli(cli, ['--help']);"
        "sys.exit(','.join(m for m in ('sqlalchemy', 'httpx', 'pydantic', 'msgspec', 'rich') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.returncode == 0


def commands() -> list[tuple[str, click.Command]]:
    """Every command with its words, groups walked through."""

    def walk(group: click.Group, path: list[str]) -> list[tuple[str, click.Command]]:
        found: list[tuple[str, click.Command]] = []
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            assert command is not None
            found.append((" ".join([*path, name]), command))
            if isinstance(command, click.Group):
                found += walk(command, [*path, name])
        return found

    return walk(cli, [])


def test_every_command_option_and_argument_has_help_and_every_answer_is_had_as_json() -> None:
    bare = []
    for words, command in commands():
        if not command.help:
            bare.append(words)
        if isinstance(command, click.Group):
            continue
        bare += [f"{words} {param.human_readable_name}" for param in command.params if not getattr(param, "help", None)]
        if not any(param.name == "as_json" for param in command.params):
            bare.append(f"{words} --json")
    assert bare == []


def test_without_a_command_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_cli(cli, []) == 0
    assert "`tieout init` starts one here" in capsys.readouterr().out
    assert run_cli(cli, ["init", ".", "--template", "files"]) == 0
    capsys.readouterr()
    assert run_cli(cli, []) == 0
    assert "`tieout status`" in capsys.readouterr().out
