"""Checkpoints outside the database, the export that proves itself, and what tampering looks like."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tieout.audit import bundle, checkpoint
from tieout.cli import shell
from tieout.cli.root import cli
from tieout.errors import StoreError, UsageError
from tieout.workspace import Workspace, audit_verify_file


def broken(answer: dict[str, Any]) -> list[str]:
    found = answer.get("companies", [answer])
    return [check["what"] for one in found for check in one["checks"] if not check["ok"]]


def tamper(folder: Path, *statements: str) -> None:
    """As somebody with the file and no scruples: the triggers go first."""
    with sqlite3.connect(folder / "tieout.db") as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            assert raw.execute(statement).rowcount > 0, statement


def test_a_run_signs_one_checkpoint_a_day(late_books: Path) -> None:
    lines = (late_books / "audit" / "main.jsonl").read_text().splitlines()
    assert len(lines) == 1  # two runs, one day
    first = checkpoint.read(lines)[0]
    assert checkpoint.signed_by(first, (late_books / "audit" / "main.pub").read_text().strip())
    assert (late_books / "keys" / "audit-main.key").stat().st_mode & 0o077 == 0


def test_books_hold_every_checkpoint(own_books: Path) -> None:
    with Workspace.open(own_books, actor="ann") as work:
        assert work.audit_checkpoint()["checkpoints"][0]["bookings"] > 0
        assert work.audit_checkpoint()["unchanged"] == ["main"]
        assert broken(work.audit_verify()) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "UPDATE booking SET amount = amount + 1 WHERE id = (SELECT min(id) FROM booking)",
            "books hold every checkpoint",
        ),
        ("DELETE FROM booking WHERE id = (SELECT max(id) FROM booking)", "books hold every checkpoint"),
        ("UPDATE act SET actor = 'nobody' WHERE id = (SELECT min(id) FROM act)", "chain of acts"),
        ("DELETE FROM act WHERE id = (SELECT max(id) FROM act)", "books hold every checkpoint"),
        ("UPDATE batch SET records = records + 1 WHERE id = (SELECT min(id) FROM batch)", "chain of landings"),
        ("UPDATE leg SET account = 'Expenses:Fun' WHERE role = 'cogs'", "books hold every checkpoint"),
        ("UPDATE entry SET number = 99 WHERE number = 1", "numbers without gaps"),
    ],
)
def test_tampering_shows(own_books: Path, statement: str, what: str) -> None:
    with Workspace.open(own_books, actor="ann") as work:
        work.audit_checkpoint()
    tamper(own_books, statement)
    with Workspace.open(own_books, actor="ann") as work:
        assert what in broken(work.audit_verify())


def test_rewriting_the_whole_chain_shows_against_the_checkpoints(own_books: Path) -> None:
    """Who recomputes every hash of the database still cannot sign."""
    from tieout.audit import chain

    with Workspace.open(own_books, actor="ann") as work:
        work.audit_checkpoint()
    tamper(own_books, "UPDATE act SET actor = 'nobody' WHERE id = (SELECT min(id) FROM act)")
    with sqlite3.connect(own_books / "tieout.db") as raw:
        raw.row_factory = sqlite3.Row
        previous = chain.START
        for row in raw.execute("SELECT * FROM act WHERE company = 1 ORDER BY id").fetchall():
            new = chain.link(previous, dict(row))
            raw.execute("UPDATE act SET prev_hash = ?, hash = ? WHERE id = ?", (previous, new, row["id"]))
            previous = new
    with Workspace.open(own_books, actor="ann") as work:
        assert broken(work.audit_verify()) == ["books hold every checkpoint"]


@pytest.mark.parametrize("field", ["day", "size", "root", "journal", "last_booking", "signature"])
def test_a_checkpoint_that_was_edited_shows(own_books: Path, field: str) -> None:
    file = own_books / "audit" / "main.jsonl"
    line = json.loads(file.read_text().splitlines()[0])
    line[field] = line[field] + 1 if isinstance(line[field], int) else "00" + str(line[field])[2:]
    file.write_text(json.dumps(line) + "\n")
    with Workspace.open(own_books, actor="ann") as work:
        assert "checkpoints are signed and linked" in broken(work.audit_verify())


def test_books_that_hold_less_than_their_checkpoint_get_no_new_one(own_books: Path) -> None:
    with Workspace.open(own_books, actor="ann") as work:
        work.audit_checkpoint()
    tamper(own_books, "DELETE FROM booking WHERE id > 1")
    with Workspace.open(own_books, actor="ann") as work, pytest.raises(StoreError) as refused:
        work.audit_checkpoint()
    assert refused.value.code == "TO8030"


def test_an_unreadable_line_is_named(own_books: Path) -> None:
    (own_books / "audit" / "main.jsonl").write_text("nonsense\n")
    with Workspace.open(own_books, actor="ann") as work, pytest.raises(StoreError) as refused:
        work.audit_verify()
    assert refused.value.code == "TO8031"


# ── the export ─────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def exported(late_books: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("export") / "main.zip"
    with Workspace.open(late_books, actor="ann") as work:
        work.audit_export(file)
    return file


def test_an_export_proves_itself_without_project_or_database(exported: Path, late_books: Path) -> None:
    answer = audit_verify_file(exported, (late_books / "audit" / "main.pub").read_text().strip())
    assert answer["ok"], answer
    assert audit_verify_file(exported, "00" * 32)["ok"] is False  # not the key we know
    assert "the export's own" in str(audit_verify_file(exported))


def change(name: str, edit: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    def changed(parts: dict[str, bytes]) -> None:
        lines = parts[name].splitlines()
        row = json.loads(lines[0])
        edit(row)
        lines[0] = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        parts[name] = b"\n".join(lines) + b"\n"

    return changed


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (change("journal.jsonl", lambda row: row.update(amount=row["amount"] + 1)), "books hold every checkpoint"),
        (change("acts.jsonl", lambda row: row.update(actor="nobody")), "chain of acts"),
        (change("batches.jsonl", lambda row: row.update(records=0)), "chain of landings"),
        (change("entries.jsonl", lambda row: row.update(number=77)), "numbers without gaps"),
        (change("checkpoints.jsonl", lambda row: row.update(day="2020-01-01")), "checkpoints are signed and linked"),
    ],
)
def test_an_export_that_was_edited_shows(
    exported: Path, tmp_path: Path, edit: Callable[[dict[str, bytes]], None], what: str
) -> None:
    parts, manifest = bundle.unpack(exported.read_bytes())
    edit(parts)
    file = tmp_path / "edited.zip"
    about = {name: value for name, value in manifest.items() if name != "sha256"}
    file.write_bytes(bundle.pack(parts, about))  # with hashes of the manifest that fit the edit
    assert what in broken(audit_verify_file(file))


def test_the_manifest_has_control_totals_and_hashes(exported: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        lines = [json.loads(line) for line in archive.read("journal.jsonl").splitlines()]
        assert set(manifest["sha256"]) == set(bundle.PARTS)
    assert manifest["totals"]["bookings"] == len(lines)
    assert manifest["totals"]["turnover"] == sum(abs(row["amount"]) for row in lines)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(b"PK nothing")
    with pytest.raises(UsageError) as refused:
        audit_verify_file(file)
    assert refused.value.code == "TO8032"


# ── changes, numbers, commands ─────────────────────────────────────────────────────────────────────────────────────
def test_changes_tell_what_the_rules_were_and_are(own_books: Path) -> None:
    project = own_books / "tieout.toml"
    rule = '\n[[companies.main.policies]]\neffective = "2099-01-01"\ncost_method = "weighted_average"\n'
    project.write_text(project.read_text().replace("\n[connections.ops]", rule + "\n[connections.ops]", 1))
    with Workspace.open(own_books, actor="ben") as work:
        work.run(seal_now=True)
        found = work.audit_changes(kind="rules")["companies"][0]["changes"]
        assert work.audit_changes(kind="rules", since="2099-01-01")["count"] == 0
    assert [row["actor"] for row in found] == ["ann", "ben"]
    assert any("weighted_average" in line and line.startswith("+") for line in found[1]["diff"])
    with Workspace.open(own_books, actor="ben") as work, pytest.raises(UsageError):
        work.audit_changes(kind="colour")


def test_numbers_run_without_gap_per_kind(late_books: Path) -> None:
    with sqlite3.connect(late_books / "tieout.db") as raw:
        found = raw.execute("SELECT kind, number FROM entry WHERE number IS NOT NULL").fetchall()
    kinds = {kind for kind, _ in found}
    assert {"journal", "bill"} <= kinds
    for kind in kinds:
        numbers = sorted(number for of, number in found if of == kind)
        assert numbers == list(range(1, len(numbers) + 1)), kind


def test_the_commands_verify_and_export(late_books: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["-C", str(late_books)]
    file = tmp_path / "books.zip"
    assert shell.run_cli(cli, ["audit", "export", str(file), *where]) == 0
    assert shell.run_cli(cli, ["audit", "verify", *where]) == 0
    assert shell.run_cli(cli, ["audit", "verify", "--export", str(file), "-C", str(tmp_path)]) == 0
    assert "BROKEN" not in capsys.readouterr().out
