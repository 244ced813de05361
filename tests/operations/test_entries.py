"""A person decides what became of a delivery that nobody can look up, on the command line and in the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tieout.cli.root import cli
from tieout.cli.shell import run_cli
from tieout.connector import Idempotency
from tieout.operations.desk import Desk
from tieout.store.acts import acts, now_micros
from tieout.testing.fake_ledger import FakeLedger
from tieout.workspace import Workspace


class Clock:
    ahead = 0

    def __call__(self) -> int:
        return now_micros() + self.ahead


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLedger]:
    """In place of the project's beancount file: a ledger that offers nothing to find a document again."""
    clock = Clock()
    fake = FakeLedger(clock=clock, idempotency=Idempotency(kind="none"))
    monkeypatch.setattr(Desk, "ledger", lambda _: fake)
    monkeypatch.setattr(Desk, "micros", lambda _: clock())
    yield fake


def said(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert run_cli(cli, [*words, "--json", "-C", str(folder), "--actor", "bob"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_parked_entry_is_listed_shown_decided_and_then_tied_out(
    folder: Path, ledger: FakeLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.faults = ["timeout_after"]
    with Workspace.open(folder, actor="ann") as work:
        assert work.run(seal_now=True)["delivered"]["parked"] == 1
    listed = said(capsys, folder, "entries", "list")
    (row,) = listed["entries"]
    assert row["state"] == "parked"
    shown = said(capsys, folder, "entries", "show", row["reference"])
    assert [step["outcome"] for step in shown["attempts"]] == ["sending", "unknown"]
    assert f"tieout entries decide {row['id']}" in shown["next"][0]
    number = str(row["id"])
    (problem,) = [x for x in said(capsys, folder, "exceptions", "list")["exceptions"] if x["stage"] == "deliver"]
    assert f"tieout entries decide {number}" in problem["fix"]
    refused = ["exceptions", "ignore", str(problem["id"]), "--reason", "never mind"]
    assert run_cli(cli, [*refused, "-C", str(folder)]) != 0
    assert f"tieout entries decide {number}" in capsys.readouterr().err
    there = next(n for n, held in ledger.documents.items() if held.document.reference == row["reference"])
    answer = said(capsys, folder, "entries", "decide", number, "--posted-as", there, "--reason", "seen on screen")
    assert (answer["decided"], answer["verified"]) == ("posted", True)
    assert said(capsys, folder, "entries", "list")["count"] == 0
    with Workspace.open(folder, actor="ann") as work:
        done = work.run(seal_now=True)
        assert done["tied_out"], done["companies"][0]["details"]
        desk = work.office(None).desk
        with desk.store.read() as rx:
            (act,) = acts(rx, desk.id, what="entry.mark_posted")
    assert (act["actor"], act["data"]["reason"], act["data"]["seen"]) == ("bob", "seen on screen", True)


def test_an_entry_that_never_arrived_is_withdrawn_and_goes_again(
    folder: Path, ledger: FakeLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.faults = ["timeout_before"]
    with Workspace.open(folder, actor="ann") as work:
        work.run(seal_now=True)
    (row,) = said(capsys, folder, "entries", "list")["entries"]
    ledger.clock.ahead = 600_000_000  # type: ignore[attr-defined]
    words = ["entries", "decide", str(row["id"]), "--reason", "not on screen"]
    assert run_cli(cli, [*words, "-C", str(folder)]) == 2, "neither option"
    again = said(capsys, folder, *words, "--absent")["planned_again"]
    with Workspace.open(folder, actor="ann") as work:
        done = work.run(seal_now=True)
        assert done["tied_out"], done["companies"][0]["details"]
        assert work.entry(str(again))["state"] == "confirmed"
        assert work.entry(str(row["id"]))["state"] == "withdrawn"
    references = [held.document.reference for held in ledger.documents.values()]
    assert len(references) == len(set(references))


def test_an_unknown_entry_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(cli, ["entries", "show", "TO-NOBODY", "-C", str(folder)]) == 2
    assert "tieout entries list --state all" in capsys.readouterr().err
