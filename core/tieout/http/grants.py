"""Grants: how a call proves who it is. A fixed token, or OAuth 2 with refresh and rotation.

A refresh token is often used up by its use. So tokens are refreshed by one process at a time (`Vault.alone`), the new
pair is saved before it is used, and the pair before it is kept. Only an explicit refusal of the grant asks for a person;
a lost answer does not: the next attempt uses what was saved last, and many vendors honour an old token for a while.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias
from urllib.parse import urlencode

import msgspec

from tieout.errors import Fatal, NeedsReauth, Retryable, VendorError
from tieout.failpoints import failpoint

if TYPE_CHECKING:
    from tieout.http.answers import Answer

MARGIN_SECONDS: Final = 120.0  # a token that lives no longer than this is refreshed before use
_REFUSED: Final = frozenset({"invalid_grant", "unauthorized_client", "access_denied"})


class Tokens(msgspec.Struct, frozen=True):
    """A grant's tokens. Times are epoch seconds, 0.0 where the vendor names none. `facts` is what else came with them."""

    access: str
    refresh: str = ""
    access_until: float = 0.0
    refresh_until: float = 0.0
    scope: str = ""
    facts: dict[str, str] = {}


class Vault(Protocol):
    """Where a connection's tokens are kept: sealed, durable when `save` returns, one refresher at a time."""

    def load(self) -> Tokens | None: ...

    def save(self, tokens: Tokens) -> None: ...

    def alone(self) -> AbstractContextManager[None]: ...


class Auth(Protocol):
    """What a call needs to be let in."""

    def headers(self) -> Mapping[str, str]: ...

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401 on these headers: True when there are others to try now."""
        ...


class FixedToken:
    """A token that a person made at the vendor. `secret` reads it from where the configuration says."""

    def __init__(self, header: str, secret: Callable[[], str], prefix: str = "") -> None:
        self._header = header
        self._secret = secret
        self._prefix = prefix

    def headers(self) -> Mapping[str, str]:
        return {self._header: f"{self._prefix}{self._secret()}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        return False


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's token endpoint and how it wants to be asked.

    `client`: where id and secret go: `basic` header, `form` or `json` body. `grant`: `refresh_token`, or
    `client_credentials` where each token is asked for anew.
    """

    url: str
    client_id: Callable[[], str]
    client_secret: Callable[[], str]
    client: Literal["basic", "form", "json"] = "basic"
    grant: Literal["refresh_token", "client_credentials"] = "refresh_token"
    scope: str = ""
    headers: Mapping[str, str] = {}
    life_seconds_default: float = 3_600.0
    header: str = "Authorization"
    prefix: str = "Bearer "
    refresh_life_field: str = "refresh_token_expires_in"
    consent_url: str = ""  # where a person consents (authorization code flow); empty: nobody has to
    consent_fields: Mapping[str, str] = {}
    exchange_fields: Mapping[str, str] = {}  # beside the code, when it is exchanged
    account_fields: Mapping[str, str] = {}  # what the vendor's redirect must say of the account, where it says it
    pkce: bool = True


# method, url, headers, body → answer; never repeated
Send: TypeAlias = "Callable[[str, str, Mapping[str, str], bytes], Answer]"


class OAuth:
    """Tokens of one connection, refreshed in time. `send` reaches the token endpoint through the same guarded wire."""

    def __init__(self, endpoint: Endpoint, vault: Vault, send: Send, now: Callable[[], float]) -> None:
        self.endpoint = endpoint
        self._vault = vault
        self._send = send
        self._now = now
        self._tokens: Tokens | None = None

    def tokens(self) -> Tokens:
        """Tokens that live long enough to be used. NeedsReauth when there are none and none can be had."""
        tokens = self._tokens or self._vault.load()
        if tokens is None or self._dies_soon(tokens):
            tokens = self._refreshed(tokens)
        self._tokens = tokens
        return tokens

    def headers(self) -> Mapping[str, str]:
        return self._header(self.tokens())

    def renew(self, refused: Mapping[str, str]) -> bool:
        known = self._tokens or self._vault.load()
        if known is not None and self._header(known) != refused:
            return True  # somebody was faster
        self._tokens = self._refreshed(known)
        return self._header(self._tokens) != refused

    def _header(self, tokens: Tokens) -> dict[str, str]:
        return {self.endpoint.header: f"{self.endpoint.prefix}{tokens.access}"}

    def _dies_soon(self, tokens: Tokens) -> bool:
        return bool(tokens.access_until) and tokens.access_until - self._now() < MARGIN_SECONDS

    def _refreshed(self, old: Tokens | None) -> Tokens:
        with self._vault.alone():
            stored = self._vault.load()
            if stored is not None and (old is None or stored.access != old.access) and not self._dies_soon(stored):
                return stored
            return self._ask(stored)

    def _ask(self, stored: Tokens | None) -> Tokens:
        if self.endpoint.grant == "client_credentials":
            fields = {"grant_type": "client_credentials"}
            if self.endpoint.scope:
                fields["scope"] = self.endpoint.scope
        elif stored is None or not stored.refresh:
            raise NeedsReauth("this connection has no grant yet", code="TO6208", fix="tieout auth login CONNECTION")
        else:
            fields = {"grant_type": "refresh_token", "refresh_token": stored.refresh}
        return self.exchange(fields, stored)

    def exchange(self, fields: Mapping[str, str], before: Tokens | None = None) -> Tokens:
        """Ask the token endpoint; save the answer before it is used. Raises NeedsReauth, Fatal or Retryable."""
        failpoint("token.before_ask")
        answer = self._send("POST", self.endpoint.url, *token_request(self.endpoint, fields))
        if answer.status >= 400:
            raise _refusal(answer)
        made = self._tokens_of(answer, before)
        failpoint("token.before_save")
        self._vault.save(made)
        failpoint("token.after_save")
        self._tokens = made
        return made

    def _tokens_of(self, answer: Answer, before: Tokens | None) -> Tokens:
        data = answer.json()
        access = data.get("access_token") if isinstance(data, dict) else None
        if not isinstance(access, str) or not access:
            raise Retryable("the token endpoint's answer holds no access token", code="TO6209", where=answer.url)
        now = self._now()
        life = _seconds(data.get("expires_in"), self.endpoint.life_seconds_default)
        long = _seconds(data.get(self.endpoint.refresh_life_field), 0.0)
        known = {
            "access_token",
            "refresh_token",
            "expires_in",
            self.endpoint.refresh_life_field,
            "scope",
            "token_type",
        }
        facts = {
            k: str(v) for k, v in data.items() if k not in known and isinstance(v, (str, int)) and "token" not in k
        }
        return Tokens(
            access=access,
            refresh=str(data.get("refresh_token") or (before.refresh if before else "")),
            access_until=now + life,
            refresh_until=now + long if long else 0.0,
            scope=str(data.get("scope") or (before.scope if before else "")),
            facts={**(before.facts if before else {}), **facts},
        )


def token_request(endpoint: Endpoint, fields: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request to the token endpoint."""
    headers = {"Accept": "application/json", **endpoint.headers}
    body: dict[str, str] = dict(fields)
    identity = {"client_id": endpoint.client_id(), "client_secret": endpoint.client_secret()}
    if endpoint.client == "basic":
        pair = f"{identity['client_id']}:{identity['client_secret']}".encode()
        headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
    else:
        body = {**identity, **body}
    if endpoint.client == "json":
        headers["Content-Type"] = "application/json"
        return headers, msgspec.json.encode(body)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return headers, urlencode(body).encode()


def _refusal(answer: Answer) -> VendorError:
    """A refused grant needs a person, a refused client a mended configuration; everything else may pass."""
    try:
        data = answer.json()
    except VendorError:
        data = {}
    error = str(data.get("error", "")) if isinstance(data, dict) else ""
    facts: dict[str, Any] = {"status": answer.status, "request_id": answer.request_id}
    if error == "invalid_client":
        return Fatal(
            "the vendor does not know this client id and secret",
            code="TO6210",
            where=answer.url,
            fix="compare client_id and client_secret with the app's settings at the vendor",
            **facts,
        )
    if answer.status in (400, 401, 403) and (error in _REFUSED or not error):
        return NeedsReauth(
            f"the vendor refused the grant ({error or answer.shown})",
            code="TO6205",
            where=answer.url,
            fix="tieout auth login CONNECTION; nothing is lost, the work goes on from where it was",
            **facts,
        )
    if answer.status in (429,) or answer.status >= 500:
        return Retryable(f"the token endpoint answered {answer.status}", code="TO6209", where=answer.url, **facts)
    return Fatal(
        f"the token endpoint answered {answer.status}: {answer.shown}", code="TO6210", where=answer.url, **facts
    )


def _seconds(value: object, default: float) -> float:
    try:
        return float(str(value)) if value is not None else default  # a time, never money
    except ValueError:
        return default
