"""Connecting a company to a vendor: a person's consent becomes a stored grant, and what is known of the grant.

Authorization code flow with state (random, single use, ten minutes), PKCE where the vendor takes it, and an exact redirect
address. The vendor sends the browser back to a small server on this machine, or the person pastes the address.
"""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from tieout.config.project import Connection
from tieout.errors import ConfigError, NeedsReauth, UsageError
from tieout.http.grants import OAuth
from tieout.operations.desk import Desk
from tieout.store.acts import record_act

STATE_SECONDS_MAX: Final = 600
SOON_DAYS: Final = 14


class Asking(NamedTuple):
    """A consent that is being asked for: where the person goes, and what must come back."""

    url: str
    state: str
    verifier: str
    redirect: str
    until: float


def grant_of(desk: Desk, connection: Connection) -> OAuth:
    """The grant of a connection. UsageError when its connector needs none."""
    made: Any = connection.implementation
    built = made(desk.context(connection))
    http = getattr(built, "http", None)
    grant: OAuth | None = getattr(http, "grant", None)
    if grant is None:
        raise UsageError(
            f"connection {connection.name} needs no consent",
            code="TO6220",
            fix="its secrets are named in tieout.toml; `tieout doctor` tries them",
        )
    return grant


def ask(grant: OAuth, redirect: str, *, now: Callable[[], float] = time.time) -> Asking:
    """The address at which a person consents."""
    endpoint = grant.endpoint
    if not endpoint.consent_url:
        raise UsageError("this connection asks for its tokens by itself; nobody has to consent", code="TO6220")
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    fields = {
        "response_type": "code",
        "client_id": endpoint.client_id(),
        "redirect_uri": redirect,
        "state": state,
        **({"scope": endpoint.scope} if endpoint.scope else {}),
        **endpoint.consent_fields,
    }
    if endpoint.pkce:
        digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        fields |= {"code_challenge": digest, "code_challenge_method": "S256"}
    return Asking(f"{endpoint.consent_url}?{urlencode(fields)}", state, verifier, redirect, now() + STATE_SECONDS_MAX)


def complete(
    desk: Desk,
    connection: Connection,
    grant: OAuth,
    asking: Asking,
    returned: str,
    *,
    now: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """The grant, from the address the vendor sent the browser back to; stored, and written down who did it."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(returned).query).items()}
    if query.get("error"):
        said = query.get("error_description") or query["error"]
        raise NeedsReauth(f"the vendor did not grant it: {said}", code="TO6205", fix="try again")
    if not secrets.compare_digest(query.get("state", ""), asking.state) or now() > asking.until:
        raise UsageError(
            "this answer does not belong to the question asked, or came too late", code="TO6221", fix="try again"
        )
    if not query.get("code"):
        raise UsageError("the address holds no code", code="TO6221", fix="paste the whole address the browser shows")
    _same_company(connection, grant.endpoint.account_fields, query)
    fields = {"grant_type": "authorization_code", "code": query["code"], "redirect_uri": asking.redirect}
    if grant.endpoint.pkce:
        fields["code_verifier"] = asking.verifier
    grant.exchange({**fields, **grant.endpoint.exchange_fields})
    _write_down(desk, "connection.login", connection)
    return state_of(desk, connection)


def _same_company(connection: Connection, wanted: Mapping[str, str], query: Mapping[str, str]) -> None:
    """The company the person chose at the vendor must be the one of the connection."""
    for name, value in wanted.items():
        if query.get(name, value) != value:
            raise ConfigError(
                f"the consent is for {name} {query[name]}, the connection {connection.name} is of {value}",
                code="TO6222",
                fix="choose the right company at the vendor, or correct the connection",
            )


def state_of(desk: Desk, connection: Connection) -> dict[str, Any]:
    """What is known of a connection's grant; never a token."""
    row: dict[str, Any] = {
        "company": desk.company.code,
        "connection": connection.name,
        "connector": connection.connector,
        "state": "connected",
        "access_until": None,
        "refresh_until": None,
        "scope": "",
        "next": "",
    }
    try:
        grant_of(desk, connection)
    except UsageError:
        return {**row, "state": "not_needed"}
    tokens = desk.vault(connection).load()
    if tokens is None:
        return {**row, "state": "none", "next": f"tieout auth login {connection.name}"}
    row |= {
        "access_until": _moment(tokens.access_until),
        "refresh_until": _moment(tokens.refresh_until),
        "scope": tokens.scope,
    }
    left = tokens.refresh_until - desk.now().timestamp()
    if tokens.refresh_until and left < SOON_DAYS * 86_400:
        what = "expired" if left <= 0 else "ends_soon"
        return {**row, "state": what, "next": f"tieout auth login {connection.name}"}
    return row


def forget(desk: Desk, connection: Connection) -> dict[str, Any]:
    """Remove a connection's grant from the database. The vendor keeps its side until it is disconnected there."""
    desk.vault(connection).forget()
    _write_down(desk, "connection.logout", connection)
    return state_of(desk, connection)


def rotate(desk: Desk, connections: list[Connection]) -> int:
    """Seal every grant of a company with a new data key. Returns how many."""
    sealed = 0
    for connection in connections:
        vault = desk.vault(connection)
        if vault.load() is not None:
            vault.rotate()
            _write_down(desk, "connection.rotate_key", connection)
            sealed += 1
    return sealed


def wait_for_browser(port: int, show: Callable[[str], None], asking: Asking) -> str:
    """Serve the redirect address until the browser comes back to it; the address it came with."""
    caught: list[str] = []

    class Back(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path != urlsplit(asking.redirect).path:
                self.send_error(404)
                return
            caught.append(f"http://localhost:{port}{self.path}")
            text = b"tieout has the answer; you can close this page."
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", port), Back) as server:
        server.timeout = 1
        show(f"open this page and consent:\n  {asking.url}\nwaiting for the browser on {asking.redirect} …")
        while not caught:
            if time.time() > asking.until:
                raise UsageError("nobody consented within ten minutes", code="TO6221", fix="try again, or use --paste")
            server.handle_request()
    return caught[0]


def _write_down(desk: Desk, what: str, connection: Connection) -> None:
    with desk.store.write() as tx:
        record_act(tx, desk.id, desk.actor, what, connection.id, {"connector": connection.connector})


def _moment(seconds: float) -> str | None:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z") if seconds else None
