"""Vendors' calls on a real socket: believed only when signed, kept before they are acknowledged, one wake-up a stream."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.operations.conftest import first_feeds

from tieout import Context, Notice
from tieout.errors import StoreError
from tieout.operations.desk import Desk
from tieout.operations.listening import BODY_BYTES_MAX, Door, Listener
from tieout.operations.serving import Clock
from tieout.store import wakes
from tieout.workspace import Workspace
from tieout_quickbooks import QuickBooks
from tieout_sandbox.simulators.quickbooks import QuickBooksSim
from tieout_shopify import Shopify
from tieout_xero import Xero

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = "the key of this test"


def sign(body: bytes, key: str = KEY) -> str:
    return b64encode(hmac.new(key.encode(), body, hashlib.sha256).digest()).decode()


class Called(NamedTuple):
    """A company whose `shop` connection can be called, and the socket it is called at."""

    desk: Desk
    listener: Listener

    def post(self, body: bytes, headers: Mapping[str, str] | None = None, path: str = "/hooks/main/shipments") -> int:
        connection = http.client.HTTPConnection(urlsplit(self.listener.address).netloc, timeout=10)
        try:
            connection.request("POST", path, body, {"x-signature": sign(body), **(headers or {})})
            answer = connection.getresponse()
            assert answer.read() == b""
            return answer.status
        finally:
            connection.close()

    def asked(self) -> list[tuple[str, int]]:
        with self.desk.store.write() as tx:
            return [(wake.stream, wake.at) for wake in wakes.take(tx, self.desk.id, now=self.desk.micros())]


def verify_webhook(self: Any, headers: Mapping[str, str], body: bytes) -> list[Notice] | None:
    from tieout import is_signed

    if not is_signed(body, headers.get("x-signature", ""), [KEY]):
        return None
    return [Notice(**each) for each in json.loads(body)]


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Called]:
    from tieout_files import FilesSource

    monkeypatch.setattr(FilesSource, "verify_webhook", verify_webhook, raising=False)
    first_feeds(tmp_path)
    with Workspace.open(tmp_path) as work:
        desk = work.office("main").desk
        desk.now = lambda: NOW
        door = Door()
        assert door.open(desk)
        listener = Listener(door, "127.0.0.1", 0)
        listener.start()
        made = Called(desk, listener)
        monkeypatch.setitem(door._rooms, "/hooks/main/shipments", next(iter(door._rooms.values())))
        yield made
        listener.stop()


def notice(number: object, stream: str = "orders", **more: Any) -> bytes:
    return json.dumps([{"id": str(number), "stream": stream, **more}]).encode()


def test_a_signed_call_wakes_its_stream(called: Called) -> None:
    assert called.post(notice(1)) == 200
    assert [stream for stream, _ in called.asked()] == ["orders"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-signature": ""},
        {"x-signature": sign(notice(2))},
        {"x-signature": sign(notice(1), "other")},
        {"x-signature": "é"},
    ],
)
def test_what_is_not_signed_is_refused_and_wakes_nobody(called: Called, headers: dict[str, str]) -> None:
    coded = {name: value.encode("latin-1").decode("latin-1") for name, value in headers.items()}
    assert called.post(notice(1), coded) == 401
    assert called.asked() == []


def test_a_flood_is_one_wake_up_a_stream(called: Called) -> None:
    for n in range(60):
        assert called.post(notice(n, ("orders", "transfers")[n % 2])) == 200
    assert sorted(stream for stream, _ in called.asked()) == ["orders", "transfers"]
    assert called.asked() == []  # in somebody's hand


def test_the_same_delivery_again_wakes_nobody(called: Called) -> None:
    def clear() -> list[str]:
        with called.desk.store.write() as tx:
            taken = wakes.take(tx, called.desk.id, now=called.desk.micros())
            for wake in taken:
                wakes.done(tx, called.desk.id, wake)
        return [wake.stream for wake in taken]

    assert called.post(notice(1)) == 200
    assert clear() == ["orders"]
    assert called.post(notice(1)) == 200
    assert called.post(notice(1) + b" ") == 200  # other bytes, the same delivery
    assert clear() == []
    assert called.post(notice(2)) == 200
    assert clear() == ["orders"]


def test_an_old_delivery_is_no_delivery(called: Called) -> None:
    old = (NOW - timedelta(days=4)).timestamp()
    assert called.post(notice(1, at=old)) == 200
    assert called.asked() == []
    assert called.post(notice(2, at=NOW.timestamp())) == 200
    assert len(called.asked()) == 1


def test_a_call_during_a_pull_is_pulled_for_again(called: Called) -> None:
    assert called.post(notice(1)) == 200
    with called.desk.store.write() as tx:
        (wake,) = wakes.take(tx, called.desk.id, now=called.desk.micros())
    called.desk.now = lambda: NOW + timedelta(seconds=5)
    assert called.post(notice(2)) == 200
    assert called.asked() == []
    with called.desk.store.write() as tx:
        wakes.done(tx, called.desk.id, wake)
    assert len(called.asked()) == 1


def test_who_took_a_wake_up_and_died_is_followed_by_another(called: Called) -> None:
    assert called.post(notice(1)) == 200
    assert len(called.asked()) == 1
    called.desk.now = lambda: NOW + timedelta(minutes=16)
    assert len(called.asked()) == 1


def test_nothing_is_acknowledged_that_is_not_kept(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(wakes, "ask", broken)
        assert called.post(notice(1)) == 503
    assert called.post(notice(1)) == 200  # sent again: it counts, because the first was not kept
    assert len(called.asked()) == 1


def test_what_is_too_long_or_of_no_length_is_not_read(called: Called) -> None:
    host, _, port = urlsplit(called.listener.address).netloc.partition(":")
    for header, status in (
        (f"Content-Length: {BODY_BYTES_MAX + 1}", 413),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: nine", 411),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as plain:
            plain.sendall(f"POST /hooks/main/shipments HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
            assert plain.recv(100).startswith(f"HTTP/1.1 {status} ".encode())
    assert called.post(b"[]", path="/hooks/main/nobody") == 404
    assert called.asked() == []


def test_a_verifier_that_fails_is_the_callers_to_repeat(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    assert called.post(b"not json") == 503  # this test's verifier fails on it
    assert called.post(notice(1)) == 200


def test_the_clock_hands_out_what_was_asked_for(called: Called) -> None:
    clock = Clock(called.desk, NOW)
    assert clock.woken() == []
    called.post(notice(1))
    (due,) = clock.woken()
    assert (due.schedule.what, due.schedule.stream, due.schedule.priority) == ("pull", "orders", 0)
    assert due.wake is not None
    assert clock.woken() == []


# ── each vendor's own way to sign ──────────────────────────────────────────────────────────────────────────────────
class Given:
    """A connector's verifier with its configuration and nothing else."""

    def __init__(self, connector: Any, tmp_path: Path, **config: Any) -> None:
        (tmp_path / "key").write_text(KEY)
        made = connector.manifest.config.model_validate(config, context={"root": tmp_path})
        context = Context(
            connection="x",
            company="main",
            currency="USD",
            config=made,
            root=tmp_path,
            now=lambda: NOW,
            http=lambda **_: None,  # type: ignore[arg-type]
        )
        self.verify: Callable[..., Any] = connector(context).verify_webhook


class TestVendors:
    shopify: ClassVar[dict[str, Any]] = {
        "shop": "acme.myshopify.com",
        "client_id": "env:NOBODY",
        "client_secret": "file:key",
    }
    app: ClassVar[dict[str, Any]] = {"client_id": "env:NOBODY", "client_secret": "env:NOBODY"}

    def test_shopify(self, tmp_path: Path) -> None:
        verify = Given(Shopify, tmp_path, **self.shopify).verify
        body = b'{"id": 820982911946154508}'
        headers = {
            "x-shopify-hmac-sha256": sign(body),
            "x-shopify-topic": "inventory_levels/update",
            "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        }
        assert verify(headers, body) == [Notice("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", "adjustments")]
        assert verify(headers, body + b" ") is None
        assert verify({}, body) is None

    def test_quickbooks_believes_what_the_simulator_signs(self, tmp_path: Path) -> None:
        verify = Given(QuickBooks, tmp_path, realm="9341453000000001", webhook_verifier="file:key", **self.app).verify
        sim = QuickBooksSim(verifier=KEY)
        sim.webhooks.clear()
        sim.put("Bill", "7", {"TxnDate": "2026-10-31"})
        ((body, headers),) = sim.webhooks
        (found,) = verify(headers, body)
        assert found.stream == "bills"
        assert abs(found.at - sim.clock.now()) < 60
        assert verify({**headers, "intuit-signature": sign(body, "other")}, body) is None
        old = b'{"eventNotifications":[{"realmId":"1","dataChangeEvent":{"entities":[{"id":"12","name":"VendorCredit","lastUpdated":"2026-01-01T00:00:00Z"}]}}]}'
        assert [n.stream for n in verify({"intuit-signature": sign(old)}, old)] == ["vendor_credits"]

    def test_xero_and_its_intent_to_receive(self, tmp_path: Path) -> None:
        tenant = "00000000-0000-4000-8000-000000000000"
        verify = Given(Xero, tmp_path, tenant=tenant, webhook_key="file:key", **self.app).verify
        intent = b'{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"ABC"}'
        assert verify({"x-xero-signature": sign(intent)}, intent) == []
        assert verify({"x-xero-signature": sign(intent, "wrong")}, intent) is None
        events = b'{"events":[{"resourceId":"r1","eventDateUtc":"2026-01-05T11:59:00.923","eventType":"UPDATE","eventCategory":"INVOICE"}]}'
        (found,) = verify({"x-xero-signature": sign(events)}, events)
        assert found.id == "r1 UPDATE 2026-01-05T11:59:00.923"
        assert abs(found.at - NOW.timestamp()) < 61

    def test_without_a_key_nobody_is_believed(self, tmp_path: Path) -> None:
        for connector, config in (
            (Shopify, {"shop": "acme.myshopify.com", "token": "file:key"}),
            (QuickBooks, {"realm": "1", **self.app}),
            (Xero, {"tenant": "00000000-0000-4000-8000-000000000000", **self.app}),
        ):
            verify = Given(connector, tmp_path, **config).verify
            for name in ("x-shopify-hmac-sha256", "intuit-signature", "x-xero-signature"):
                assert verify({name: sign(b"[]", "")}, b"[]") is None
