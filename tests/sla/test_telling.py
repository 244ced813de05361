"""Ways of telling and of being watched: signed webhooks, mail, log lines, metrics; a secret appears in none of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import logging
import socketserver
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from tests.sla.month_of_march import NOW, Month, project

from tieout import logs
from tieout.config.secret import Secret
from tieout.errors import Rejected
from tieout.http.client import Http
from tieout.http.grants import FixedToken
from tieout.operations import alerts
from tieout.operations.metrics import Health, MetricsListener, micros
from tieout.operations.notifiers import signed
from tieout.workspace import Workspace, sla_write

CANARY = "canary-4f1d9c7be2a8-canary"
KEY = base64.b64encode(CANARY.encode()).decode()


@contextmanager
def web(answers: list[int], got: list[tuple[dict[str, str], bytes]]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(5)


class Mail(socketserver.StreamRequestHandler):
    """As much of a mail server as one message needs."""

    got: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                self.got.append(b"".join(lines))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def test_an_alert_goes_out_as_signed_webhook_and_as_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", f"whsec_{KEY}")
    got: list[tuple[dict[str, str], bytes]] = []
    with web([500], got) as port, socketserver.TCPServer(("127.0.0.1", 0), Mail) as mail:
        threading.Thread(target=mail.serve_forever, daemon=True).start()
        more = f"""
[[notify.webhooks]]
url = "http://127.0.0.1:{port}/hook"
secret = "env:HOOK_SECRET"

[notify.email]
host = "127.0.0.1"
port = {mail.server_address[1]}
encryption = "none"
sender = "tieout@example.org"
to = ["ann@example.org"]
"""
        with Workspace.open(project(tmp_path, more), actor="ann") as work:
            Month(work)
            work.office("main").desk.now = lambda: NOW
            problems = alerts.check(work.office("main").desk, deep=True)
        mail.shutdown()
    assert len(problems) == 1  # the webhook answered 500; the mail went out, so nobody is told twice
    assert "TO6216" in problems[0]
    headers, body = got[0]
    message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(CANARY.encode(), message, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    told = json.loads(body)
    assert told["type"] == "tieout.breach"
    assert "outage:dead" in {a["cause"] for a in told["data"]["alerts"]}
    assert b"dead does not answer since 2026-03-25T12:00:00Z" in Mail.got[0].replace(b"=\r\n", b"").replace(
        b"\r\n", b" "
    )


def test_the_signature_is_the_one_of_the_standard() -> None:
    """By the definition: HMAC-SHA-256 over id.timestamp.body, keyed by the decoded secret."""
    headers = signed("whsec_" + base64.b64encode(b"k" * 24).decode(), b'{"a":1}', 1_700_000_000)
    text = f"{headers['webhook-id']}.1700000000.".encode() + b'{"a":1}'
    assert (
        headers["webhook-signature"].partition(",")[2]
        == base64.b64encode(hmac.new(b"k" * 24, text, hashlib.sha256).digest()).decode()
    )


def test_a_secret_appears_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary goes through a vendor that sends it back, a failing notifier, log lines, a firing and a report."""
    monkeypatch.setenv("CANARY", CANARY)
    lines = io.StringIO()
    handler = logs.set_up("json", lines)
    secret = Secret("env:CANARY")

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, text=f"no such token {request.headers['authorization']}")

    http = Http(
        base_url="https://vendor.example",
        hosts=("vendor.example",),
        auth=FixedToken("Authorization", secret.get, "Bearer "),
        transport=httpx.MockTransport(echo),
    )
    said: list[str] = []
    try:
        with pytest.raises(Rejected) as caught:
            http.read("GET", "/orders")
        said.append(str(caught.value))
        assert "***" in said[0]
        more = '\n[[notify.webhooks]]\nurl = "http://127.0.0.1:9/hook"\nsecret = "env:CANARY"\n'
        with Workspace.open(project(tmp_path, more), actor="ann") as work:
            Month(work)
            desk = work.office("main").desk
            desk.now = lambda: NOW
            with logs.about(company="main", connection="ops", run="r1", trace="t1"):
                said += alerts.check(desk, deep=True)
                logging.getLogger("tieout.test").error("token %s in url https://u:%s@h/", secret.get(), secret.get())
            sla_write(work.sla(month="2026-03"), tmp_path / "march.html", "html")
            said.append(json.dumps(work.alerts(everything=True)))
            with pytest.MonkeyPatch.context() as patched:
                patched.delenv("CANARY")
                said.append(repr(desk.project))
    finally:
        logging.getLogger().removeHandler(handler)
    text = lines.getvalue()
    assert {"company": "main", "connection": "ops", "run": "r1", "trace": "t1"}.items() <= json.loads(
        text.splitlines()[-1]
    ).items()
    assert CANARY not in text
    assert not [one for one in said if CANARY in one]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_metrics_and_health_are_told(tmp_path: Path) -> None:
    with Workspace.open(project(tmp_path), actor="ann") as work:
        Month(work)
        clock = [micros()]
        health = Health(work.store, lambda: work.project, lambda: clock[0])
        listener = MetricsListener(health, "127.0.0.1", 0)
        listener.start()
        try:
            text = _get(f"{listener.address}/metrics")
            assert 'tieout_records_total{company="main",connection="ops",stream="shipments"} 37' in text
            assert 'tieout_schedule_last_ok{company="main",schedule="main/pull/dead/orders"} 0' in text
            assert "# TYPE tieout_records_total counter" in text
            assert _get(f"{listener.address}/readyz") == "ok\n"
            assert _get(f"{listener.address}/healthz") == "ok\n"
            clock[0] += 60_000_000
            with pytest.raises(urllib.error.HTTPError, match="503"):
                _get(f"{listener.address}/healthz")
        finally:
            listener.stop()


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: Any = answer.read().decode()
    return str(text)
