"""The vendor's own Python client works against the simulator as it is."""

from __future__ import annotations

from datetime import date

import pytest

from tieout_sandbox.simulators.app import serve
from tieout_sandbox.simulators.xero import XeroSim
from tieout_sandbox.simulators.xero.app import TENANT


def test_xero_python() -> None:
    pytest.importorskip("xero_python")
    from xero_python.accounting import AccountingApi, ManualJournal, ManualJournalLine, ManualJournals
    from xero_python.api_client import ApiClient, Configuration
    from xero_python.api_client.oauth2 import OAuth2Token
    from xero_python.exceptions import AccountingBadRequestException

    sim = XeroSim()
    with serve(sim) as url:
        held: dict[str, object] = {}
        client = ApiClient(
            Configuration(oauth2_token=OAuth2Token(client_id="client", client_secret="secret")),
            pool_threads=1,
        )

        @client.oauth2_token_getter  # type: ignore[untyped-decorator]
        def load() -> dict[str, object]:
            return held

        @client.oauth2_token_saver  # type: ignore[untyped-decorator]
        def save(token: dict[str, object]) -> None:
            held.update(token)

        import httpx

        form = {
            "grant_type": "authorization_code",
            "code": sim.grants.consent(),
            "client_id": "client",
            "client_secret": "secret",
        }
        token = httpx.post(f"{url}/connect/token", data=form).json()
        client.set_oauth2_token({**token, "scope": ["accounting.transactions"], "id_token": ""})
        api = AccountingApi(client, base_url=f"{url}/api.xro/2.0")

        names = {account.name for account in api.get_accounts(TENANT).accounts}
        assert "Inventory - perpetual" in names

        def made(narration: str, credit: float) -> ManualJournals:
            lines = [
                ManualJournalLine(line_amount=12.5, account_code="310"),
                ManualJournalLine(line_amount=credit, account_code="631"),
            ]
            entry = ManualJournal(narration=narration, date=date(2026, 10, 31), journal_lines=lines, status="POSTED")
            return ManualJournals(manual_journals=[entry])

        first = api.create_manual_journals(TENANT, made("by the SDK", -12.5), idempotency_key="once")
        again = api.create_manual_journals(TENANT, made("by the SDK", -12.5), idempotency_key="once")
        number = first.manual_journals[0].manual_journal_id
        assert again.manual_journals[0].manual_journal_id == number
        assert len(sim.documents()) == 1
        with pytest.raises(AccountingBadRequestException):
            api.create_manual_journals(TENANT, made("unbalanced", -10), summarize_errors=True)
        listed = api.get_manual_journals(TENANT, page=1)
        assert [j.manual_journal_id for j in listed.manual_journals] == [number]
        assert len(listed.manual_journals[0].journal_lines) == 2
        report = api.get_report_trial_balance(TENANT, date=date(2026, 10, 31))
        assert report.reports[0].report_name == "Trial Balance"
        organisation = api.get_organisations(TENANT).organisations[0]
        assert organisation.name == "Demo Company"
