"""The identity server: access tokens for half an hour, refresh tokens that rotate at each use, with half an hour of grace."""

from __future__ import annotations

import base64
import secrets
from typing import Final

from tieout_sandbox.simulators.app import Reply, Request
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.keeping import Keeping

ACCESS_SECONDS: Final = 1_800
REFRESH_SECONDS: Final = 60 * 86_400
GRACE_SECONDS: Final = 1_800


class Grants:
    """Consents of one app. `consent` plays the person."""

    def __init__(self, keeping: Keeping, clock: SimClock, client: tuple[str, str]) -> None:
        self._keep = keeping
        self._clock = clock
        self._client = client
        self.revoked = False

    def consent(self) -> str:
        code = secrets.token_urlsafe(8)
        self._keep.set_fact("code", code)
        return code

    def let_in(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        until = float(self._keep.fact(f"access:{token}", "0"))
        return scheme.lower() == "bearer" and not self.revoked and self._clock.now() < until

    def token(self, request: Request) -> Reply:
        form = request.form
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        basic = base64.b64decode(pair + "==").decode(errors="replace") if scheme.lower() == "basic" else ""
        if (basic or f"{form.get('client_id')}:{form.get('client_secret')}") != ":".join(self._client):
            return Reply.of({"error": "invalid_client"}, 400)
        kind = form.get("grant_type")
        if kind == "client_credentials":
            return self._issue(None, form.get("scope", ""))
        if (
            kind == "authorization_code"
            and form.get("code")
            and form["code"] == self._keep.fact("code")
            and not self.revoked
        ):
            self._keep.set_fact("code", "")
            return self._issue(self._rotate(), "offline_access")
        if kind == "refresh_token" and self._lives(form.get("refresh_token", "")):
            return self._issue(self._rotate(), "offline_access")
        return Reply.of(
            {"error": "invalid_grant" if kind in ("refresh_token", "authorization_code") else "unsupported_grant_type"},
            400,
        )

    def _lives(self, token: str) -> bool:
        """The newest, or the one before it for half an hour after it was used."""
        now = self._clock.now()
        if self.revoked or not token:
            return False
        if token == self._keep.fact("refresh"):
            return now < float(self._keep.fact("refresh_until", "0"))
        return token == self._keep.fact("before") and now - float(self._keep.fact("rotated", "0")) < GRACE_SECONDS

    def _rotate(self) -> str:
        token = secrets.token_urlsafe(24)
        now = self._clock.now()
        self._keep.set_fact("before", self._keep.fact("refresh"))
        self._keep.set_fact("refresh", token)
        self._keep.set_fact("rotated", str(now))
        self._keep.set_fact("refresh_until", str(now + REFRESH_SECONDS))
        return token

    def _issue(self, refresh: str | None, scope: str) -> Reply:
        access = secrets.token_urlsafe(24)
        self._keep.set_fact(f"access:{access}", str(self._clock.now() + ACCESS_SECONDS))
        made = {"access_token": access, "expires_in": ACCESS_SECONDS, "token_type": "Bearer", "scope": scope}
        return Reply.of({**made, "refresh_token": refresh} if refresh else made)
