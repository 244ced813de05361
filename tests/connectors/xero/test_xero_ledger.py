"""Xero as a ledger: one call of many journals, keys of six minutes, cached errors, lock dates, budgets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from tests.connectors.xero.conftest import bill, journal

from tieout import Ambiguous, Document, DocumentLine, NeedsReauth, RateLimited, Receipt, Rejected, Sending
from tieout_sandbox.simulators.xero import XeroSim
from tieout_xero import Xero

KEY = "a" * 40
A, B, C = "TO-AAAAAAAAAAAA", "TO-CCCCCCCCCCCC", "TO-DDDDDDDDDDDD"


def sending(ledger: Xero, *documents: Document) -> list[Sending]:
    return [Sending(d.reference, ledger.render(d), f"key {d.reference}") for d in documents]


def test_a_journal_goes_out_posted_and_is_held_exactly(ledger: Xero, sim: XeroSim) -> None:
    receipt = ledger.deliver(ledger.render(journal()), KEY)
    assert (receipt.reference, receipt.day) == ("TO-ABCDEFGHIJKL", date(2026, 10, 31))
    assert [(line.account, line.amount) for line in receipt.lines] == [("310", 41285), ("631", -41285)]
    assert sim.balances() == {"310": Decimal("412.85"), "631": Decimal("-412.85")}
    assert sim.documents()[0]["Status"] == "POSTED"
    assert sim.documents()[0]["JournalLines"][0]["Tracking"][0]["TrackingOptionID"] == sim.id_of("option Web")


def test_a_call_of_many_has_an_outcome_for_each(ledger: Xero, sim: XeroSim) -> None:
    many = sending(ledger, journal(A), journal(B, credit="630"), journal(C))
    results = ledger.deliver_many(ledger.join(many), KEY, many)
    assert [type(result) for result in results] == [Receipt, Rejected, Receipt]
    assert [result.reference for result in results if isinstance(result, Receipt)] == [A, C]
    assert len(sim.documents()) == 2


def test_joined_bytes_are_the_documents_own(ledger: Xero) -> None:
    many = sending(ledger, journal(A), journal(B))
    joined = ledger.join(many)
    for one in many:
        assert one.body.split(b"\n", 1)[1][len(b'{"ManualJournals":[') : -2] in joined
    with pytest.raises(Rejected, match="several kinds"):
        ledger.join(sending(ledger, journal(A), bill()))


@pytest.mark.parametrize("fault", ["timeout_after", "error_after", "reset_after", "truncated", "html"])
def test_inside_six_minutes_the_key_brings_the_answer_back(ledger: Xero, sim: XeroSim, fault: str) -> None:
    many = sending(ledger, journal(A), journal(B))
    body = ledger.join(many)
    sim.faults.next(fault)
    with pytest.raises(Ambiguous):
        ledger.deliver_many(body, KEY, many)
    sim.clock.advance(timedelta(minutes=5, seconds=59))
    results = ledger.deliver_many(body, KEY, many)
    assert [r.reference for r in results if isinstance(r, Receipt)] == [A, B]
    assert len(sim.documents()) == 2


def test_after_six_minutes_only_the_look_up_saves_us(ledger: Xero, sim: XeroSim) -> None:
    body = ledger.render(journal(A))
    sim.faults.next("timeout_after")
    with pytest.raises(Ambiguous):
        ledger.deliver(body, KEY)
    sim.clock.advance(timedelta(minutes=6, seconds=1))
    found = ledger.find(A)
    assert found is not None
    assert [(line.account, line.amount) for line in found.lines] == [("310", 41285), ("631", -41285)]
    ledger.deliver(body, KEY)  # what the core must never do then
    assert len(sim.documents()) == 2


def test_a_key_with_another_request_is_not_believed(ledger: Xero, sim: XeroSim) -> None:
    ledger.deliver(ledger.render(journal(A)), KEY)
    with pytest.raises(Ambiguous, match="another request"):
        ledger.deliver(ledger.render(journal(B)), KEY)
    assert len(sim.documents()) == 1


def test_lock_dates(ledger: Xero, connect: Callable[..., Xero], sim: XeroSim) -> None:
    sim.lock(period=date(2026, 10, 31), year=date(2025, 12, 31))
    assert ledger.locked_through() == date(2026, 10, 31)
    assert connect(adviser=True).locked_through() == date(2025, 12, 31)
    with pytest.raises(Rejected) as caught:
        ledger.deliver(ledger.render(journal(A)), KEY)
    assert caught.value.data["closed_period"] is True


def test_a_bill_is_a_native_bill(ledger: Xero, sim: XeroSim) -> None:
    receipt = ledger.deliver(ledger.render(bill()), KEY)
    assert sorted((line.account, line.amount) for line in receipt.lines) == [("800", -5600), ("801", 5600)]
    assert sim.balances() == {"800": Decimal("-56.00"), "801": Decimal("56.00")}
    found = ledger.find("TO-BBBBBBBBBBBB")
    assert found is not None
    assert found.ledger_id == receipt.ledger_id
    with pytest.raises(Rejected, match="contact"):
        ledger.render(Document("bill", "ACME", "USD", date(2026, 10, 31), "TO-X", "x", bill().lines, party="NOBODY"))


def test_a_voided_journal_is_found_without_its_lines(ledger: Xero, sim: XeroSim) -> None:
    ledger.deliver(ledger.render(journal(A)), KEY)
    row = sim.documents()[0]
    sim.put("ManualJournals", row["ManualJournalID"], {**row, "Status": "VOIDED"})
    found = ledger.find(A)
    assert found is not None
    assert found.lines == ()
    assert list(ledger.entries(["631"], None)) == []
    assert ledger.find(B) is None


def test_the_day_limit_is_not_slept_through(connect: Callable[..., Xero], sim: XeroSim) -> None:
    ledger = connect()
    sim.day_calls = 3
    with pytest.raises(RateLimited) as caught:
        for _ in range(5):
            ledger.locked_through()
    assert caught.value.until > sim.clock.now() + 3_600


def test_many_calls_keep_to_the_minute_and_come_through(connect: Callable[..., Xero], sim: XeroSim) -> None:
    """Our windows and Xero's do not begin together, so one limit a window may be met; it is waited for."""
    ledger = connect()
    begun = sim.clock.now()
    for _ in range(150):
        ledger.locked_through()
    assert sum(status == 429 for _, _, status in sim.requests) <= 3
    assert sim.clock.now() - begun < 240


def test_accounts_that_take_no_journals(ledger: Xero) -> None:
    refused = {account.code for account in ledger.accounts() if not account.accepts_journals}
    assert refused == {"090", "610", "800", "630", "960"}
    why = ledger.unfit(["631", "630", "090", "000"])
    assert set(why) == {"630", "090", "000"}


def test_check_names_what_is_wrong(connect: Callable[..., Xero], sim: XeroSim) -> None:
    assert [finding.level for finding in connect().check()] == ["ok"]
    wrong = {"channel": {"id": sim.id_of("category Channel"), "options": {"web": sim.id_of("no such option")}}}
    assert [finding.level for finding in connect(tracking=wrong).check()] == ["ok", "error"]
    sim.connected = False
    assert connect().check()[0].level == "error"


def test_a_custom_connection_needs_nobody(connect: Callable[..., Xero], sim: XeroSim) -> None:
    ledger = connect(custom_connection=True)
    assert ledger.locked_through() is None
    sim.clock.advance(timedelta(hours=2))
    assert ledger.locked_through() is None


def test_a_consent_taken_back_asks_for_a_person(ledger: Xero, sim: XeroSim) -> None:
    sim.connected = False
    with pytest.raises(NeedsReauth):
        ledger.accounts()
    sim.connected, sim.grants.revoked = True, True
    with pytest.raises(NeedsReauth):
        ledger.accounts()


def test_balances_and_entries_show_ours_and_theirs(ledger: Xero, sim: XeroSim) -> None:
    many = sending(ledger, *(journal(f"TO-{letter * 12}", amount=100) for letter in "ABCDEFG"))
    ledger.deliver_many(ledger.join(many), KEY, many)
    ledger.deliver(ledger.render(bill()), "b" * 40)
    lines = [{"LineAmount": "10", "AccountCode": "631"}, {"LineAmount": "-10", "AccountCode": "970"}]
    hand = {"Narration": "by hand", "Date": "2026-10-30", "Status": "POSTED", "JournalLines": lines}
    sim.put("ManualJournals", sim.id_of("by hand"), hand)
    bank = {
        "Type": "SPEND",
        "Status": "AUTHORISED",
        "Date": "2026-10-30",
        "BankAccount": {"AccountID": sim.id_of("account 090")},
    }
    spent = [{"LineAmount": "4", "AccountCode": "631"}]
    sim.put("BankTransactions", sim.id_of("spent"), {**bank, "LineItems": spent, "Reference": "cash purchase"})
    held = {b.account: b.amount for b in ledger.balances(["310", "631", "801", "802"], date(2026, 10, 31))}
    assert held == {"310": 700, "631": -700 + 1000 + 400, "801": 5600, "802": 0}
    entries = list(ledger.entries(["631", "801"], date(2026, 10, 1)))
    assert sum(bool(entry.reference) for entry in entries) == 8
    assert sorted(entry.narration for entry in entries if not entry.reference) == ["by hand", "cash purchase"]


def test_a_dropped_line_is_seen_in_the_receipt(ledger: Xero, sim: XeroSim, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = XeroSim._complete

    def drop(self: XeroSim, kind: str, body: dict[str, object]) -> None:
        complete(self, kind, body)
        if kind == "ManualJournals":
            body["JournalLines"] = body["JournalLines"][:1]  # type: ignore[index]

    monkeypatch.setattr(XeroSim, "_complete", drop)
    receipt = ledger.deliver(ledger.render(journal()), KEY)
    assert [(line.account, line.amount) for line in receipt.lines] == [("310", 41285)]  # the core parks this


def test_an_account_without_a_code_goes_by_its_id(ledger: Xero, sim: XeroSim) -> None:
    number = sim.id_of("nameless")
    facts = {"Name": "Nameless", "Type": "CURRENT", "Class": "ASSET", "Status": "ACTIVE"}
    sim.put("Accounts", number, facts)
    lines = (DocumentLine(number, 100), DocumentLine("631", -100))
    ledger.deliver(ledger.render(Document("journal", "ACME", "USD", date(2026, 10, 31), A, "x", lines)), KEY)
    assert {b.account: b.amount for b in ledger.balances([number], date(2026, 10, 31))} == {number: 100}
