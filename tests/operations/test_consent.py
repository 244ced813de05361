"""A person's consent becomes a stored grant: the right question, the right answer, the right company."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import msgspec
import pytest
from tests.http.vendor import Vendor, reply

from tieout import Workspace
from tieout.errors import ConfigError, NeedsReauth, UsageError
from tieout.operations import consent

REALM = "9341453000000001"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    def answer(_: Vendor, request: BaseHTTPRequestHandler, body: bytes) -> None:
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        good = fields.get("code") == "right" and fields.get("grant_type") == "authorization_code"
        made = {"access_token": "canary-a", "refresh_token": "canary-r", "expires_in": 3600, "scope": "books"}
        made["x_refresh_token_expires_in"] = 8_726_400
        reply(request, 200 if good else 400, json.dumps(made if good else {"error": "invalid_grant"}).encode())

    made = Vendor(answer)
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QBO_ID", "client")
    monkeypatch.setenv("QBO_SECRET", "canary-s")
    (tmp_path / "tieout.toml").write_text(f"""
[project]
name = "Acme"

[companies.ACME]
legal_name = "Acme Inc"
accounts_template = "beancount"
currency = "USD"
timezone = "UTC"
ledger = "books"

[connections.books]
id = "qbo"
connector = "quickbooks"
company = "ACME"
realm = "{REALM}"
client_id = "env:QBO_ID"
client_secret = "env:QBO_SECRET"
api_url = "{vendor.url}"
token_url = "{vendor.url}/token"
""")
    return tmp_path


def login(work: Workspace, answer: Callable[[dict[str, str]], str]) -> dict[str, object]:
    asked: list[str] = []
    work.progress = asked.append
    query = {}

    def paste() -> str:
        query.update({k: v[0] for k, v in parse_qs(urlsplit(asked[-1].split()[-1]).query).items()})
        return answer(query)

    row: dict[str, object] = work.login("books", port=1, paste=paste)["connections"][0]
    return row


def back(query: dict[str, str], **more: str) -> str:
    given = {"code": "right", "state": query["state"], "realmId": REALM, **more}
    return query["redirect_uri"] + "?" + "&".join(f"{k}={v}" for k, v in given.items())


def test_a_consent_is_asked_for_stored_and_shown_without_its_tokens(project: Path) -> None:
    with Workspace.open(project, actor="ann") as work:
        assert work.grants()["connections"][0]["state"] == "none"
        row = login(work, back)
        assert (row["state"], row["scope"]) == ("connected", "books")
        assert "canary" not in json.dumps(work.grants())
        assert work.rotate_keys() == {"sealed": 1}
        assert work.grants()["connections"][0]["state"] == "connected"
        assert work.logout("books")["connections"][0]["state"] == "none"
    assert b"canary" not in b"".join(path.read_bytes() for path in project.rglob("*.db*"))


def test_an_answer_to_another_question_is_refused(project: Path) -> None:
    with Workspace.open(project) as work:
        with pytest.raises(UsageError, match="does not belong"):
            login(work, lambda q: back({**q, "state": "guessed"}))
        with pytest.raises(NeedsReauth, match="access_denied"):
            login(work, lambda q: q["redirect_uri"] + "?error=access_denied&state=" + q["state"])
        with pytest.raises(NeedsReauth, match="invalid_grant"):
            login(work, lambda q: back(q, code="wrong"))
        assert work.grants()["connections"][0]["state"] == "none"


def test_consent_for_another_company_is_refused(project: Path) -> None:
    with Workspace.open(project) as work, pytest.raises(ConfigError, match="the connection books is of"):
        login(work, lambda q: back(q, realmId="1"))


def test_a_late_answer_is_refused(project: Path) -> None:
    with Workspace.open(project) as work:
        desk = work.office("ACME").desk
        connection = work.project.connection("books")
        grant = consent.grant_of(desk, connection)
        asking = consent.ask(grant, "http://localhost:1/callback", now=lambda: 0)
        query = {"state": asking.state, "redirect_uri": asking.redirect}
        with pytest.raises(UsageError, match="too late"):
            consent.complete(desk, connection, grant, asking, back(query), now=lambda: 601)


def test_the_browser_comes_back_to_this_machine() -> None:
    port = 18973
    asking = consent.Asking("https://vendor/consent", "s", "v", f"http://localhost:{port}/callback", 2**40)
    shown: list[str] = []

    def browser() -> None:
        while not shown:
            pass
        with urlopen(f"http://127.0.0.1:{port}/callback?code=c&state=s") as page:
            assert page.status == 200

    thread = threading.Thread(target=browser)
    thread.start()
    returned = consent.wait_for_browser(port, shown.append, asking)
    thread.join()
    assert returned.endswith("/callback?code=c&state=s")


def test_the_challenge_is_the_hash_of_the_verifier(project: Path) -> None:
    with Workspace.open(project) as work:
        grant = consent.grant_of(work.office("ACME").desk, work.project.connection("books"))
        grant.endpoint = msgspec.structs.replace(grant.endpoint, pkce=True)
        asking = consent.ask(grant, "http://localhost:1/callback")
    query = parse_qs(urlsplit(asking.url).query)
    digest = base64.urlsafe_b64encode(sha256(asking.verifier.encode()).digest()).rstrip(b"=").decode()
    assert query["code_challenge"] == [digest]
