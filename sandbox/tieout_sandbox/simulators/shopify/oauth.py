"""Tokens: a custom app's that stays, client credentials for a day, and expiring ones whose refresh token is used once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from tieout_sandbox.simulators.app import Reply, Request
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.keeping import Keeping

DAY_SECONDS: Final = 86_399
HOUR_SECONDS: Final = 3_600
REFRESH_SECONDS: Final = 7_776_000


class Grants:
    """What apps may enter with. `revoked`: the app was uninstalled."""

    def __init__(
        self, keep: Keeping, clock: SimClock, client: tuple[str, str], token: str, scopes: frozenset[str]
    ) -> None:
        self._keep = keep
        self._clock = clock
        self._client = client
        self._token = token
        self.scopes = set(scopes)
        self.revoked = False

    def let_in(self, token: str) -> bool:
        if self.revoked or not token:
            return False
        return token == self._token or self._clock.now() < float(self._keep.fact(f"access:{token}", "0"))

    def consent(self, shop: str, state: str = "") -> dict[str, str]:
        """A merchant agrees: the query of the redirect, signed."""
        code = secrets.token_hex(16)
        self._keep.set_fact("code", code)
        query = {"code": code, "shop": shop, "state": state, "timestamp": str(int(self._clock.now()))}
        text = urlencode(sorted(query.items()))
        return {**query, "hmac": hmac.new(self._client[1].encode(), text.encode(), hashlib.sha256).hexdigest()}

    def token(self, request: Request) -> Reply:
        try:
            given = request.json() if "json" in request.headers.get("content-type", "") else request.form
        except ValueError:
            return Reply.of({"error": "invalid_request"}, 400)
        if not isinstance(given, Mapping) or (given.get("client_id"), given.get("client_secret")) != self._client:
            return Reply.of({"error": "invalid_client", "error_description": "Client authentication failed"}, 401)
        kind = given.get("grant_type", "")
        if kind == "client_credentials" and not self.revoked:
            return self._issue(DAY_SECONDS, refresh=False)
        if kind == "refresh_token":
            return self._refresh(str(given.get("refresh_token", "")))
        code = str(given.get("code", ""))
        if self.revoked or not code or code != self._keep.fact("code"):
            return Reply.of({"error": "invalid_request", "error_description": "The code was not found or used"}, 400)
        self._keep.set_fact("code", "")
        if str(given.get("expiring", "0")) == "1":
            return self._issue(HOUR_SECONDS, refresh=True)
        return self._issue(None, refresh=False)

    def _refresh(self, token: str) -> Reply:
        alive = self._clock.now() < float(self._keep.fact("refresh_until", "0"))
        if self.revoked or not token or token != self._keep.fact("refresh") or not alive:
            return Reply.of({"error": "invalid_grant", "error_description": "The refresh token is not valid"}, 400)
        return self._issue(HOUR_SECONDS, refresh=True)

    def _issue(self, seconds: int | None, *, refresh: bool) -> Reply:
        access = f"shpat_{secrets.token_hex(16)}"
        now = self._clock.now()
        self._keep.set_fact(f"access:{access}", str(now + (seconds if seconds is not None else 10**10)))
        made: dict[str, Any] = {"access_token": access, "scope": ",".join(sorted(self.scopes))}
        if seconds is not None:
            made["expires_in"] = seconds
        if refresh:
            made["refresh_token"] = f"shprt_{secrets.token_hex(16)}"
            made["refresh_token_expires_in"] = REFRESH_SECONDS
            self._keep.set_fact("refresh", made["refresh_token"])
            self._keep.set_fact("refresh_until", str(now + REFRESH_SECONDS))
        return Reply.of(made)
