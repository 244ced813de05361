"""Trace, explain, valuation, coverage, export, verify and doctor on a company small enough to check by hand."""

from __future__ import annotations

import csv
import io
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout import config
from tieout.errors import TieoutError, UsageError
from tieout.operations.answers import answer_schema
from tieout.store.store import Store
from tieout.testing.databases import copy_folder, on_postgres, store_url
from tieout.workspace import Workspace


def events_of(answer: dict[str, Any], document: str) -> list[dict[str, Any]]:
    return [each for each in answer["events"] if each["document"] == document]


# ── trace ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_document_shows_both_revisions_their_bookings_and_entries(work: Workspace) -> None:
    answer = work.trace("SH-1")
    assert answer["kind"] == "document"
    assert [(each["key"], each["revision"], each["state"]) for each in answer["records"]] == [
        ("SH-1/1", "1", "mapped"),
        ("SH-1/1", "2", "mapped"),
    ]
    assert all(len(each["sha256"]) == 64 and each["mapping"] for each in answer["records"])
    first, second = events_of(answer, "SH-1")
    assert first["id"] == second["id"]
    assert (first["counts"], first["why"]) == (False, "replaced by a newer revision")
    assert (second["counts"], second["quantity"]) == (True, "12")
    assert [booking["amount"] for booking in first["bookings"]] == ["45.00"]
    assert [(layer["document"], layer["value"]) for layer in first["bookings"][0]["layers"]] == [
        ("", "40.00"),
        ("GR-1", "5.00"),
    ]
    # 12 shipped cost 40.00 + 2 × (5.20 + 0.40); 45.00 of it was posted before
    assert sum(Decimal(booking["amount"]) for booking in second["bookings"]) == Decimal("6.20")
    booked = {booking["entry"] for each in answer["events"] for booking in each["bookings"]}
    assert booked == {each["id"] for each in answer["entries"]}
    for each in answer["entries"]:
        assert sum(Decimal(line["amount"]) for line in each["lines"]) == 0


def test_corrections_are_named_in_both_directions(work: Workspace) -> None:
    freight = work.trace("FB-1")
    (event,) = events_of(freight, "FB-1")
    assert {(each["document"], each["amount"], each["row"]) for each in event["affects"]} == {("GR-1", "4.00", "LC-03")}
    receipt = work.trace("GR-1")
    (received,) = events_of(receipt, "GR-1")
    assert {each["document"] for each in received["affected_by"]} == {"FB-1", "VB-1"}
    assert {each["document"]: each["asked"] for each in receipt["events"]} == {
        "GR-1": True,
        "FB-1": False,
        "VB-1": False,
    }


def test_the_same_chain_is_found_by_every_kind_of_id(work: Workspace) -> None:
    answer = work.trace("SH-2")
    (event,) = answer["events"]
    (entry,) = answer["entries"]
    ids = {
        "event": event["id"],
        "transaction": "SH-2,1",
        "reference": entry["reference"].lower(),
        "entry": str(entry["number"]),
    }
    for kind, text in ids.items():
        found = work.trace(f"{kind}:{text}") if kind != "transaction" else _by_record(work, "SH-2")
        assert event["id"] in {each["id"] for each in found["events"]}, kind
    assert work.trace(event["id"][:24])["id"] == event["id"]
    assert work.trace("BOWL")["kind"] == "item"
    assert {each["document"] for each in work.trace("item:MUG")["events"]} == {"", "GR-1", "VB-1", "FB-1", "SH-1"}


def _by_record(work: Workspace, document: str) -> dict[str, Any]:
    key = work.trace(document)["records"][0]["key"]
    return work.trace(f"transaction:{key}")


def test_a_vendor_transaction_without_events_is_found_with_its_reason(work: Workspace) -> None:
    skipped = work.trace("SH-3/1")
    assert (skipped["kind"], skipped["events"]) == ("transaction", [])
    assert [each["state"] for each in skipped["records"]] == ["skipped by its mapping"]
    held = work.trace("SH-4/1")
    (record,) = held["records"]
    assert record["exceptions"] and "(open)" in record["exceptions"][0]


def test_what_nobody_knows_is_a_usage_error(work: Workspace) -> None:
    with pytest.raises(UsageError):
        work.trace("NO-SUCH-THING")


def test_what_landed_and_is_not_posted_says_so(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    copy_folder(small, folder)
    feed = folder / "feeds" / "shipments-2.csv"
    last = feed.read_text().splitlines()[-1].replace("SH-1", "SH-9").replace(",12,", ",1,")
    (folder / "feeds" / "shipments-3.csv").write_text(feed.read_text().splitlines()[0] + "\n" + last + "\n")
    with Workspace.open(folder, actor="ann") as work:
        work.pull()
        (event,) = work.trace("SH-9")["events"]
        assert event["bookings"] == []
        assert event["reason"].startswith("not yet valued")
        page = work.explain(("cost-of", "SH-9"))["movements"][0]
        assert (page["final_cost"], page["posted"]) == ("5.60", None)
        waiting = [check for check in work.verify()["checks"] if "not posted yet" in check["detail"]]
        assert len(waiting) == 1


# ── explain ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_cost_is_explained_by_layers_and_proved_by_the_journal(work: Workspace) -> None:
    (page,) = work.explain(("cost-of", "SH-1"))["movements"]
    assert [(each["quantity"], each["document"], each["value"]) for each in page["layers"]] == [
        ("10", "", "40.00"),
        ("2", "GR-1", "11.20"),
    ]
    assert (page["cost"], page["final_cost"], page["unit_cost"]) == ("51.20", "51.20", "4.26666667")
    assert page["posted"] == {"cogs": "51.20", "inventory": "-51.20"}
    assert page["policy"] == {"cost_method": "fifo", "cost_scope": "entity"}


def test_restatements_add_up_to_the_final_cost(work: Workspace) -> None:
    answer = work.explain(("cost-of", "GR-1"))
    (page,) = answer["movements"]
    assert {(each["document"], each["amount"]) for each in page["restatements"]} == {("VB-1", "2.00"), ("FB-1", "4.00")}
    assert (page["cost"], page["final_cost"]) == ("50.00", "56.00")
    assert "50.00 + 2.00 + 4.00 = 56.00" in answer["text"]


def test_a_journal_that_lost_a_booking_is_not_explained_away(small: Path, tmp_path: Path) -> None:
    folder = damaged(small, tmp_path, "UPDATE entry SET state = 'withdrawn' WHERE id = (SELECT max(id) FROM entry)")
    with Workspace.open(folder, actor="ann") as work:
        with pytest.raises(TieoutError) as caught:
            for document in ("SH-1", "GR-1"):
                work.explain(("cost-of", document))
        assert caught.value.code == "TO8019"
        failed = {check["what"] for check in work.verify()["checks"] if not check["ok"]}
        assert "main: layers = bookings" in failed


def test_an_account_is_explained_by_the_row_that_decides(work: Workspace) -> None:
    answer = work.explain(("account-of", "cogs", "item=MUG", "day=2026-01-10"))
    (account,) = answer["accounts"]
    assert account["account"] == "Expenses:COGS:Sold"
    assert "category kitchen" in account["text"]
    assert ".csv:" in account["where"]


@pytest.mark.parametrize(
    ("topic", "near"),
    [
        (("cost-off", "X"), "cost-of"),
        (("account-of", "cogz"), "cogs"),
        (("account-of", "cogs", "itm=MUG"), "item"),
        (("cost-of", "SH-11"), "SH-1"),
    ],
)
def test_a_slip_names_what_is_nearest(work: Workspace, topic: tuple[str, ...], near: str) -> None:
    with pytest.raises(UsageError) as caught:
        work.explain(topic)
    assert near in (caught.value.fix or "")


# ── valuation ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_valuation_now_is_what_the_journal_says(work: Workspace) -> None:
    answer = work.valuation(layers=True)
    rows = {(row["item"], row["location"]): (row["quantity"], row["value"]) for row in answer["items"]}
    assert rows == {("BOWL", "EAST"): ("4", "40.00"), ("MUG", "MAIN"): ("8", "44.80")}
    assert (answer["value"], answer["journal"], answer["difference"]) == ("84.80", "84.80", "0.00")
    mug = next(row for row in answer["items"] if row["item"] == "MUG")
    assert [(layer["origin"], layer["quantity"], layer["value"]) for layer in mug["layers"]] == [("GR-1", "8", "44.80")]


@pytest.mark.parametrize(
    ("day", "value"),
    [("2026-01-01", "90.00"), ("2026-01-05", "140.00"), ("2026-01-08", "142.00"), ("2026-01-09", "146.00")],
)
def test_the_valuation_of_a_past_day_equals_the_journal_of_that_day(work: Workspace, day: str, value: str) -> None:
    answer = work.valuation(as_of=day)
    assert (answer["value"], answer["difference"]) == (value, "0.00")


def test_as_known_leaves_out_what_was_received_later(work: Workspace) -> None:
    received = [each["received_at"] for each in work.trace("SH-1")["records"]]
    assert received[0] < received[1]
    before = work.valuation(as_known=work.trace("SH-2")["records"][0]["received_at"])
    assert (before["value"], before["journal"]) == ("85.00", None)  # 9 mugs at 5.00, 4 bowls at 10.00
    assert work.valuation(as_known="2020-01-01")["rows"] == 0


def test_a_pool_of_the_whole_company_is_shared_by_quantity(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("tieout.toml", "items.csv", "locations.csv"):
        shutil.copy(small / name, folder / name)
    if on_postgres():
        text = (folder / "tieout.toml").read_text().replace(store_url(small), store_url(folder))
        (folder / "tieout.toml").write_text(text)
    rows = ["date,sku,location,quantity,value,rev", "2026-01-01,MUG,MAIN,2,5.00,1", "2026-01-01,MUG,EAST,1,5.00,1"]
    (folder / "feeds").mkdir()
    (folder / "feeds" / "openings.csv").write_text("\n".join(rows) + "\n")
    with Workspace.open(folder, actor="ann") as work:
        work.pull(stream="openings")
        shares = {row["location"]: row["value"] for row in work.valuation()["items"]}
    assert shares == {"EAST": "3.33", "MAIN": "6.67"}


def test_a_day_that_is_none_is_refused(work: Workspace) -> None:
    with pytest.raises(UsageError):
        work.valuation(as_of="yesterday")
    with pytest.raises(UsageError):
        work.valuation(as_known="soon")


def test_coverage_counts_fields_nobody_reads(work: Workspace) -> None:
    answer = work.mapping_coverage("ops", "shipments")
    assert (answer["read"], answer["fields"], answer["unread"]) == (12, 13, ["order_no"])


# ── export ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_beancount_accepts_the_export_and_adds_up_the_same(work: Workspace, tmp_path: Path) -> None:
    loader = pytest.importorskip("beancount.loader")
    answer = work.export("beancount")
    file = tmp_path / "books.beancount"
    file.write_text(answer["text"])
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    sums: dict[str, Any] = {}
    for each in entries:
        for posting in getattr(each, "postings", None) or ():
            sums[posting.account] = sums.get(posting.account, 0) + posting.units.number
    assert str(sums["Assets:Inventory:On-Hand"]) == "84.80"
    assert answer["entries"] == sum(1 for each in entries if hasattr(each, "postings"))


def test_hledger_parts_account_and_amount_by_two_spaces(work: Workspace) -> None:
    lines = work.export("hledger")["text"].splitlines()
    postings = [line for line in lines if line.startswith("    ") and not line.lstrip().startswith(";")]
    assert postings
    for line in postings:
        account, _, amount = line.strip().partition("  ")
        assert account.startswith(("Assets:", "Liabilities:", "Equity:", "Expenses:", "Income:"))
        assert amount.split("  ;")[0].strip().endswith(" EUR")


def test_csv_and_jsonl_say_the_same(work: Workspace) -> None:
    rows = list(csv.DictReader(io.StringIO(work.export("csv")["text"])))
    answer = work.export("jsonl")
    documents = [json.loads(line) for line in answer["text"].splitlines()]
    assert len(documents) == answer["entries"]
    flat = [
        (document["reference"], line["account"], line["amount"]) for document in documents for line in document["lines"]
    ]
    assert [(row["reference"], row["account"], int(row["amount"].replace(".", ""))) for row in rows] == flat


def test_an_unknown_format_names_those_there_are(work: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        work.export("ledger-cli")
    assert "beancount" in (caught.value.fix or "")


# ── health ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def damaged(small: Path, tmp_path: Path, *statements: str) -> Path:
    folder = tmp_path / "damaged"
    copy_folder(small, folder)
    with Store.open(config.load(folder).store_url()) as store, store.write() as tx:
        for statement in statements:
            tx.connection.exec_driver_sql(statement.replace("%", "%%") if on_postgres() else statement)
    return folder


def test_sound_books_verify(work: Workspace) -> None:
    answer = work.verify()
    assert answer["ok"], answer
    assert len(answer["checks"]) == 5


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE holding SET value = value + 1 WHERE item = (SELECT min(item) FROM holding)", "holdings rebuilt"),
        (
            "UPDATE entry SET document = replace(document, '\"amount\":1000', '\"amount\":1001') "
            "WHERE document LIKE '%\"amount\":1000%'",
            "entries",
        ),
    ],
)
def test_what_was_changed_behind_the_books_shows(small: Path, tmp_path: Path, statement: str, what: str) -> None:
    folder = damaged(small, tmp_path, statement)
    with Workspace.open(folder, actor="ann") as work:
        answer = work.verify()
    assert not answer["ok"]
    assert f"main: {what}" in {check["what"] for check in answer["checks"] if not check["ok"]}


def test_the_doctor_looks_at_everything(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    copy_folder(small, folder)
    (folder / "tieout.toml").chmod(0o666)
    with Workspace.open(folder, actor="ann") as work:
        findings = work.doctor()["findings"]
    said = [each["what"] for each in findings]
    assert all({"level", "what", "fix"} == set(each) for each in findings)
    for word in ("Python 3", "sqlalchemy", "MB free", "ops:", "books:", "locked through", "1 open exceptions"):
        assert any(word in what for what in said), word
    assert any("can be changed by others" in what for what in said)
    errors = [each["what"] for each in findings if each["level"] == "error"]
    assert errors == (["the server has fsync = off: a power cut can destroy the database"] if on_postgres() else [])


# ── shapes ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_answers_have_the_shape_that_is_promised(work: Workspace) -> None:
    for command, answer in (("trace", work.trace("SH-1")), ("valuation", work.valuation(layers=True))):
        json.dumps(answer)
        assert set(answer_schema(command)["required"]) <= set(answer)
