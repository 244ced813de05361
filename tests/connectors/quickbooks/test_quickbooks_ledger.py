"""QuickBooks as a ledger: what goes out is what is held, once, whatever happens to the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from tests.connectors.quickbooks.conftest import bill, journal

from tieout import Ambiguous, DocumentLine, Fatal, NeedsReauth, RateLimited, Rejected, Retryable, VendorError
from tieout_quickbooks import QuickBooks
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

KEY = "a" * 32


def test_a_journal_goes_out_and_is_held_exactly(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    document = journal()
    receipt = ledger.deliver(ledger.render(document), KEY)
    assert (receipt.reference, receipt.day) == (document.reference, document.day)
    assert [(line.account, line.amount) for line in receipt.lines] == [("80", 41285), ("91", -41285)]
    assert sim.balances() == {"80": Decimal("412.85"), "91": Decimal("-412.85")}
    held = sim.documents()[0]["Line"][0]["JournalEntryLineDetail"]
    assert (held["ClassRef"]["value"], held["DepartmentRef"]["value"]) == ("5000", "3")


@pytest.mark.parametrize(
    "fault", ["error_after", "server_error_after", "timeout_after", "reset_after", "truncated", "html", "empty"]
)
def test_a_lost_answer_is_ambiguous_and_the_same_key_brings_it_back(
    ledger: QuickBooks, sim: QuickBooksSim, fault: str
) -> None:
    body = ledger.render(journal())
    ledger.accounts()
    sim.faults.next(fault)
    with pytest.raises(Ambiguous):
        ledger.deliver(body, KEY)
    found = ledger.find("TO-ABCDEFGHIJKL")
    assert found is not None
    assert ledger.deliver(body, KEY).ledger_id == found.ledger_id
    assert len(sim.documents()) == 1


@pytest.mark.parametrize("fault", ["error_before", "timeout_before", "reset_before"])
def test_nothing_done_is_still_ambiguous_and_the_look_up_says_absent(
    ledger: QuickBooks, sim: QuickBooksSim, fault: str
) -> None:
    ledger.accounts()
    sim.faults.next(fault)
    with pytest.raises(Ambiguous):
        ledger.deliver(ledger.render(journal()), KEY)
    assert ledger.find("TO-ABCDEFGHIJKL") is None


def test_a_used_number_is_looked_at(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    body = ledger.render(journal())
    first = ledger.deliver(body, KEY)
    assert ledger.deliver(body, "b" * 32).ledger_id == first.ledger_id
    other = ledger.deliver(ledger.render(journal(amount=100)), "c" * 32)
    assert other.ledger_id == first.ledger_id  # the core sees that it holds something else
    assert len(sim.documents()) == 1


def test_a_throttle_in_xml_is_a_limit(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    sim.faults.next("throttled_silent")
    with pytest.raises(RateLimited) as caught:
        ledger.deliver(ledger.render(journal()), KEY)
    assert caught.value.until == sim.clock.now() + 60
    assert sim.documents() == []


def test_closed_books_say_so(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    sim.close_books(date(2026, 10, 31))
    assert ledger.locked_through() == date(2026, 10, 31)
    with pytest.raises(Rejected) as caught:
        ledger.deliver(ledger.render(journal()), KEY)
    assert caught.value.data["closed_period"] is True


def test_an_expired_token_is_refreshed_and_the_same_request_goes_again(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    sim.clock.advance(timedelta(hours=2))
    ledger.deliver(ledger.render(journal()), KEY)
    sim.faults.next("expired_token")
    ledger.deliver(ledger.render(journal("TO-ABCDEFGHIJKM")), "b" * 32)
    assert len(sim.documents()) == 2


def test_a_revoked_consent_asks_for_a_person(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    sim.grants.revoked = True
    with pytest.raises(NeedsReauth):
        ledger.accounts()


def test_an_inactive_account_is_refused_and_known_before(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    account = sim.keep.get("Account", "80")
    assert account is not None
    sim.put("Account", "80", {**account, "Active": False})
    assert ledger.unfit(["80", "91", "7"]) == {
        "80": "Cost of Goods Sold is inactive",
        "7": "QuickBooks has no account with this id (merged or deleted?)",
    }
    with pytest.raises(Rejected, match="610"):
        ledger.deliver(ledger.render(journal()), KEY)


def test_an_account_of_item_tracking_is_warned_of(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    sim.put("Item", "9", {"Name": "Mug", "Type": "Inventory", "Active": True, "AssetAccountRef": {"value": "81"}})
    assert any("item tracking" in finding.what for finding in ledger.check())
    assert "81" in ledger.unfit(["81"])


def test_a_bill_is_a_native_bill(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    receipt = ledger.deliver(ledger.render(bill()), KEY)
    assert sorted((line.account, line.amount) for line in receipt.lines) == [("33", -5600), ("96", 5600)]
    assert sim.documents("Bill")[0]["VendorRef"]["value"] == "56"
    found = ledger.find("TO-BILLBILLBILL")
    assert found is not None
    assert found.ledger_id == receipt.ledger_id


def test_what_the_configuration_does_not_name_is_refused_before_anything_is_sent(ledger: QuickBooks) -> None:
    strange = journal()
    lines = (DocumentLine("80", 1, dimensions=(("class", "shop"),)), DocumentLine("91", -1))
    with pytest.raises(Rejected, match="no id in QuickBooks"):
        ledger.render(type(strange)("journal", "ACME", "USD", strange.day, "TO-X", "x", lines))


def test_balances_and_entries_show_ours_theirs_and_what_was_edited(ledger: QuickBooks, sim: QuickBooksSim) -> None:
    ledger.deliver(ledger.render(journal()), KEY)
    ledger.deliver(ledger.render(bill()), "b" * 32)
    by_hand = {
        "TxnDate": "2026-10-30",
        "DocNumber": "JE-7",
        "PrivateNote": "by hand",
        "Line": [
            {
                "Amount": "10",
                "DetailType": "JournalEntryLineDetail",
                "JournalEntryLineDetail": {"PostingType": kind, "AccountRef": {"value": account}},
            }
            for kind, account in (("Debit", "91"), ("Credit", "34"))
        ],
    }
    sim.put("JournalEntry", "77", by_hand)
    receipt = {"TxnDate": "2026-10-29", "DepositToAccountRef": {"value": "35"}, "CustomerRef": {"value": "1"}}
    line = {"Amount": "3", "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": "5"}}}
    sim.put("Item", "5", {"Name": "Odd", "Type": "Service", "Active": True, "IncomeAccountRef": {"value": "91"}})
    sim.put("SalesReceipt", "78", {**receipt, "Line": [line]})
    balances = {b.account: b.amount for b in ledger.balances(["80", "91", "96", "99"], date(2026, 10, 31))}
    assert balances == {"80": 41285, "91": -41285 + 1000 - 300, "96": 5600, "99": 0}
    entries = {e.ledger_id: e for e in ledger.entries(["80", "91", "96"], None)}
    assert {e.reference for e in entries.values() if e.reference.startswith("TO-")} == {
        "TO-ABCDEFGHIJKL",
        "TO-BILLBILLBILL",
    }
    assert entries["JournalEntry:77"].narration == "by hand"
    assert [(x.account, x.amount) for x in entries["Sales Receipt:78"].lines] == [("91", -300)]


def test_many_entries_come_whole_over_pages(
    ledger: QuickBooks, sim: QuickBooksSim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tieout_quickbooks.ledger.PAGE_ROWS", 7)
    for n in range(40):
        body = {
            "TxnDate": "2026-10-30",
            "Line": [
                {
                    "Amount": "1",
                    "DetailType": "JournalEntryLineDetail",
                    "JournalEntryLineDetail": {"PostingType": kind, "AccountRef": {"value": account}},
                }
                for kind, account in (("Debit", "91"), ("Credit", "34"))
            ],
        }
        sim.put("JournalEntry", str(1000 + n), body)
        if n % 11 == 0:
            sim.clock.advance(1)
    assert len(list(ledger.entries(["91"], None))) == 40


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (3001, 429, RateLimited),
        (3100, 403, NeedsReauth),
        (140, 400, Retryable),
        (6190, 400, Fatal),
        (6210, 400, Rejected),
        (10000, 200, Ambiguous),
        (2300, 400, Rejected),
        (2020, 400, Fatal),
        (6240, 400, Rejected),
    ],
)
def test_the_fault_table(
    connect: Callable[..., QuickBooks],
    sim: QuickBooksSim,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    status: int,
    kind: type[VendorError],
) -> None:
    from tieout_sandbox.simulators.quickbooks.rules import Fault

    ledger = connect()

    def refuse(*_: object, **__: object) -> None:
        raise Fault(code, "message", "detail", status=status)

    monkeypatch.setattr("tieout_sandbox.simulators.quickbooks.app.check", refuse)
    with pytest.raises(VendorError) as caught:
        ledger.deliver(ledger.render(journal()), KEY)
    assert type(caught.value) is kind
