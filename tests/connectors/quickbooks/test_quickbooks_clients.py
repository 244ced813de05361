"""The vendor's and the community's own clients work against the simulator as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tieout_sandbox.simulators.app import serve
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

REALM = "9341453000000001"


@pytest.fixture
def url_and_sim() -> Iterator[tuple[str, QuickBooksSim]]:
    sim = QuickBooksSim()
    with serve(sim) as url:
        yield url, sim


def test_python_quickbooks_with_intuit_oauth(
    url_and_sim: tuple[str, QuickBooksSim], monkeypatch: pytest.MonkeyPatch
) -> None:
    intuitlib = pytest.importorskip("intuitlib.client")
    quickbooks = pytest.importorskip("quickbooks")
    from quickbooks.objects.account import Account
    from quickbooks.objects.base import Ref
    from quickbooks.objects.journalentry import JournalEntry, JournalEntryLine, JournalEntryLineDetail

    url, sim = url_and_sim
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # loopback
    monkeypatch.setattr(quickbooks.QuickBooks, "api_url_v3", f"{url}/v3", raising=False)
    monkeypatch.setattr(quickbooks.QuickBooks, "sandbox_api_url_v3", f"{url}/v3", raising=False)
    auth = intuitlib.AuthClient(
        client_id="client",
        client_secret="secret",
        redirect_uri="http://localhost/callback",
        environment=f"{url}/.well-known/openid_configuration/",
    )
    auth.get_bearer_token(sim.grants.consent(), realm_id=REALM)
    first = auth.refresh_token
    auth.refresh()
    assert auth.refresh_token == first  # it rotates once a day
    client = quickbooks.QuickBooks(
        auth_client=auth, refresh_token=auth.refresh_token, company_id=REALM, minorversion=75
    )

    names = {account.Name for account in Account.all(qb=client, max_results=1000)}
    assert "Inventory - perpetual" in names

    def line(posting: str, account: str) -> JournalEntryLine:
        detail = JournalEntryLineDetail()
        detail.PostingType = posting
        detail.AccountRef = Ref()
        detail.AccountRef.value = account
        made = JournalEntryLine()
        made.Amount = 12.5
        made.DetailType = "JournalEntryLineDetail"
        made.JournalEntryLineDetail = detail
        return made

    entry = JournalEntry()
    entry.DocNumber = "PQ-1"
    entry.TxnDate = "2026-10-31"
    entry.Line = [line("Debit", "80"), line("Credit", "91")]
    entry.save(qb=client, request_id="once-and-no-more")
    again = JournalEntry()
    again.DocNumber = "PQ-2"
    again.TxnDate = "2026-10-31"
    again.Line = [line("Debit", "80"), line("Credit", "91")]
    again.save(qb=client, request_id="once-and-no-more")
    assert again.Id == entry.Id
    assert len(sim.documents()) == 1

    twin = JournalEntry()
    twin.DocNumber = "PQ-1"
    twin.TxnDate = "2026-10-31"
    twin.Line = [line("Debit", "80"), line("Credit", "91")]
    from quickbooks.exceptions import QuickbooksException

    with pytest.raises(QuickbooksException) as caught:
        twin.save(qb=client)
    assert caught.value.error_code == 6140

    found = JournalEntry.filter(DocNumber="PQ-1", qb=client)
    assert [entry.Id for entry in found] == [entry.Id]
    report = client.get_report("TrialBalance", {"start_date": "2026-10-01", "end_date": "2026-10-31"})
    assert report["Header"]["ReportName"] == "TrialBalance"
    entry.delete(qb=client)
    assert sim.documents() == []
