"""A recorded feed holds no secret and no person, and answers as the vendor did."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from tieout import Document, DocumentLine
from tieout.testing import Bench
from tieout_quickbooks import QuickBooks
from tieout_sandbox.feeds.recording import Recorder
from tieout_sandbox.feeds.replaying import NotRecorded, Replay
from tieout_sandbox.simulators.app import mounted
from tieout_sandbox.simulators.quickbooks import QuickBooksSim

KEY = b"pseudonyms of this test"


def connected(bench: Bench, transport: httpx.BaseTransport, code: str = "code") -> QuickBooks:
    bench.connect(transport)
    config = {
        "realm": "9341453000000001",
        "client_id": bench.secret("id", "client-of-the-feed"),
        "client_secret": bench.secret("secret", "secret-of-the-feed"),
    }
    ledger = QuickBooks(bench.context(QuickBooks, config))
    assert ledger.http.grant is not None
    ledger.http.grant.exchange({"grant_type": "authorization_code", "code": code})
    return ledger


def asked(ledger: QuickBooks) -> dict[str, Any]:
    return {
        "accounts": ledger.accounts(),
        "balances": ledger.balances(["80", "91"], date(2026, 10, 31)),
        "entries": [e.reference for e in ledger.entries(["80", "91"], date(2026, 10, 1))],
    }


@pytest.fixture
def feed(tmp_path: Path) -> tuple[Path, dict[str, Any], list[str]]:
    bench = Bench(tmp_path)
    sim = QuickBooksSim(client=("client-of-the-feed", "secret-of-the-feed"))
    path = tmp_path / "feed.jsonl"
    with Recorder(path, mounted(sim), key=KEY) as recorder:
        ledger = connected(bench, recorder, sim.grants.consent())
        lines = (DocumentLine("80", 41_285), DocumentLine("91", -41_285))
        document = Document("journal", "ACME", "USD", date(2026, 10, 30), "TO-ABCDEFGHIJKL", "n", lines)
        ledger.deliver(ledger.render(document), "a" * 32)
        answers = asked(ledger)
        assert recorder.calls >= 4
    return path, answers, bench.canaries()


def test_no_secret_is_in_a_feed(feed: tuple[Path, dict[str, Any], list[str]]) -> None:
    path, _, canaries = feed
    text = path.read_text()
    assert len(canaries) >= 4
    assert not [canary for canary in canaries if canary in text]
    assert "grant_type" not in text


def test_a_replay_answers_as_the_vendor_did(feed: tuple[Path, dict[str, Any], list[str]], tmp_path: Path) -> None:
    path, answers, _ = feed
    (tmp_path / "again").mkdir()
    replay = Replay(path)
    ledger = connected(Bench(tmp_path / "again"), replay)
    assert asked(ledger) == answers
    assert asked(ledger) == answers  # the last answers again
    assert replay.left == 1  # the delivery
    with pytest.raises(NotRecorded, match="no answer to GET"):
        ledger.balances(["80"], date(2020, 1, 1))


def test_persons_are_pseudonyms_and_numbers_keep_their_digits(tmp_path: Path) -> None:
    body = b'{"id": 9007199254740993, "total": 10.10, "customer": {"email": "ann@example.com", "note": "n", "vip": true}, "access_token": "t0psecret", "nick": "annie"}'
    inner = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    path = tmp_path / "feed.jsonl"
    with Recorder(path, inner, key=KEY, personal=("customer.nick",), secrets=["canary"]) as recorder:
        client = httpx.Client(transport=recorder)
        client.get("https://api.example/orders?token=canary&page=1", headers={"authorization": "Bearer canary"})
        client.post("https://api.example/orders", content=b'{"email": "ann@example.com"}')
        alias = recorder.pseudonym("ann@example.com")
    text = path.read_text()
    for gone in ("ann@example.com", "t0psecret", "canary", "annie"):
        assert gone not in text
    first, second = (json.loads(line) for line in text.splitlines())
    assert alias.endswith("@example.org")
    assert alias in first["body"]
    assert alias in second["asked"]
    assert '"total":10.10' in first["body"]
    assert "9007199254740993" in first["body"]


def test_a_feed_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "feed.jsonl").write_text("mine")
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "feed.jsonl", httpx.MockTransport(lambda request: httpx.Response(200)), key=KEY)
