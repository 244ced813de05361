"""The connector against the simulator: the same journal sent, lost, found, refused, edited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.http.vendor import MemoryVault

from tieout import Context, Document, DocumentLine, Http, Tokens
from tieout_quickbooks import QuickBooks
from tieout_quickbooks.config import QuickBooksConfig
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

REALM = "9341453000000001"


@pytest.fixture
def sim() -> QuickBooksSim:
    made = QuickBooksSim(clock=SimClock(datetime(2026, 11, 1, tzinfo=UTC)))
    made.put("Class", "5000", {"Name": "Web", "Active": True, "FullyQualifiedName": "Web"})
    return made


@pytest.fixture
def connect(sim: QuickBooksSim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., QuickBooks]:
    monkeypatch.setenv("QBO_ID", "client")
    monkeypatch.setenv("QBO_SECRET", "secret")

    def made(**more: Any) -> QuickBooks:
        config = QuickBooksConfig.model_validate(
            {
                "realm": REALM,
                "client_id": "env:QBO_ID",
                "client_secret": "env:QBO_SECRET",
                "classes": {"web": "5000"},
                "departments": {"MAIN": "3"},
                "vendors": {"SUP-1": "56"},
                **more,
            }
        )
        vault = MemoryVault()
        context = Context(
            connection="qbo",
            company="ACME",
            currency="USD",
            config=config,
            root=tmp_path,
            now=sim.clock.utc,
            http=partial(
                Http,
                hosts=QuickBooks.manifest.hosts,
                vault=vault,
                transport=mounted(sim),
                now=sim.clock.now,
                sleep=sim.clock.sleep,
            ),
        )
        ledger = QuickBooks(context)
        assert ledger.http.grant is not None
        grant = ledger.http.grant.exchange({"grant_type": "authorization_code", "code": sim.grants.consent()})
        assert isinstance(grant, Tokens)
        return ledger

    return made


@pytest.fixture
def ledger(connect: Callable[..., QuickBooks]) -> QuickBooks:
    return connect()


def journal(reference: str = "TO-ABCDEFGHIJKL", *, day: date = date(2026, 10, 31), amount: int = 41285) -> Document:
    return Document(
        "journal",
        "ACME",
        "USD",
        day,
        reference,
        "COGS 2026-10-31",
        (
            DocumentLine("80", amount, "cogs", "MAIN", (("class", "web"),), "COGS"),
            DocumentLine("91", -amount, "inventory", "MAIN", (), "Inventory relief"),
        ),
    )


def bill(reference: str = "TO-BILLBILLBILL", amount: int = 5600) -> Document:
    lines = (DocumentLine("96", amount, "grni", memo="PO-1"), DocumentLine("33", -amount, "ap"))
    return Document("bill", "ACME", "USD", date(2026, 10, 31), reference, "VB-1", lines, "VB-1", "SUP-1")
