"""The Xero connector against the simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.http.vendor import MemoryVault

from tieout import Context, Document, DocumentLine, Http
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.xero import XeroSim
from tieout_sandbox.simulators.xero.app import TENANT
from tieout_xero import Xero
from tieout_xero.config import XeroConfig


@pytest.fixture
def sim() -> XeroSim:
    return XeroSim(clock=SimClock(datetime(2026, 11, 1, tzinfo=UTC)))


@pytest.fixture
def connect(sim: XeroSim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Xero]:
    monkeypatch.setenv("XERO_ID", "client")
    monkeypatch.setenv("XERO_SECRET", "secret")

    def made(**more: Any) -> Xero:
        channel = {"id": sim.id_of("category Channel"), "options": {"web": sim.id_of("option Web")}}
        config = XeroConfig.model_validate(
            {
                "tenant": TENANT,
                "client_id": "env:XERO_ID",
                "client_secret": "env:XERO_SECRET",
                "tier": "standard",
                "tracking": {"channel": channel},
                "contacts": {"SUP-1": sim.id_of("contact SUP-1")},
                **more,
            }
        )
        http = partial(
            Http,
            hosts=Xero.manifest.hosts,
            vault=MemoryVault(),
            transport=mounted(sim),
            now=sim.clock.now,
            sleep=sim.clock.sleep,
        )
        context = Context(
            connection="xero",
            company="ACME",
            currency="USD",
            config=config,
            root=tmp_path,
            now=sim.clock.utc,
            http=http,
        )
        ledger = Xero(context)
        assert ledger.http.grant is not None
        if not config.custom_connection:
            ledger.http.grant.exchange({"grant_type": "authorization_code", "code": sim.grants.consent()})
        return ledger

    return made


@pytest.fixture
def ledger(connect: Callable[..., Xero]) -> Xero:
    return connect()


def journal(
    reference: str = "TO-ABCDEFGHIJKL", *, day: date = date(2026, 10, 31), amount: int = 41285, credit: str = "631"
) -> Document:
    lines = (
        DocumentLine("310", amount, "cogs", "MAIN", (("channel", "web"),), "COGS"),
        DocumentLine(credit, -amount, "inventory", "MAIN", (), "Inventory relief"),
    )
    return Document("journal", "ACME", "USD", day, reference, "COGS 2026-10-31", lines)


def bill(reference: str = "TO-BBBBBBBBBBBB", amount: int = 5600) -> Document:
    lines = (DocumentLine("801", amount, "grni", memo="PO-1"), DocumentLine("800", -amount, "ap"))
    return Document("bill", "ACME", "USD", date(2026, 10, 31), reference, "VB-1", lines, "VB-1", "SUP-1")
