"""The token endpoint: access tokens for an hour, refresh tokens that rotate once a day and punish the use of an old one."""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final

from tieout_sandbox.simulators.app import Reply, Request
from tieout_sandbox.simulators.clock import SimClock
from tieout_sandbox.simulators.keeping import Keeping

ACCESS_SECONDS: Final = 3_600
REFRESH_SECONDS: Final = 8_726_400
ROTATES_SECONDS: Final = 86_400


class Grants:
    """Consents of one company. `consent` plays the person; what it gives is used once."""

    def __init__(self, keeping: Keeping, clock: SimClock, client: tuple[str, str]) -> None:
        self._keep = keeping
        self._clock = clock
        self._client = client
        self.revoked = False

    def consent(self) -> str:
        """A person agrees: the code of the redirect."""
        code = secrets.token_urlsafe(8)
        self._keep.set_fact("code", code)
        return code

    def let_in(self, authorization: str) -> bool:
        """Whether a request's header bears a live access token."""
        scheme, _, token = authorization.partition(" ")
        until = float(self._keep.fact(f"access:{token}", "0"))
        return scheme.lower() == "bearer" and not self.revoked and self._clock.now() < until

    def token(self, request: Request) -> Reply:
        scheme, _, pair = request.headers.get("authorization", "").partition(" ")
        given = base64.b64decode(pair + "==").decode(errors="replace") if scheme.lower() == "basic" else ""
        if given != ":".join(self._client):
            return Reply.of({"error": "invalid_client"}, 401)
        form = request.form
        if form.get("grant_type") == "authorization_code":
            if self.revoked or not form.get("code") or form["code"] != self._keep.fact("code"):
                return Reply.of({"error": "invalid_grant"}, 400)
            self._keep.set_fact("code", "")
            return self._issue(self._rotate())
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form.get("refresh_token", ""))
        return Reply.of({"error": "unsupported_grant_type"}, 400)

    def _refresh(self, token: str) -> Reply:
        now = self._clock.now()
        if self.revoked or token != self._keep.fact("refresh") or now > float(self._keep.fact("refresh_until", "0")):
            return Reply.of({"error": "invalid_grant", "error_description": "Incorrect or invalid refresh token"}, 400)
        if now - float(self._keep.fact("refresh_since", "0")) >= ROTATES_SECONDS:
            token = self._rotate()
        self._keep.set_fact("refresh_until", str(now + REFRESH_SECONDS))
        return self._issue(token)

    def _rotate(self) -> str:
        token = secrets.token_urlsafe(24)
        self._keep.set_fact("refresh", token)
        self._keep.set_fact("refresh_since", str(self._clock.now()))
        self._keep.set_fact("refresh_until", str(self._clock.now() + REFRESH_SECONDS))
        return token

    def _issue(self, refresh: str) -> Reply:
        access = secrets.token_urlsafe(24)
        self._keep.set_fact(f"access:{access}", str(self._clock.now() + ACCESS_SECONDS))
        made: dict[str, Any] = {
            "token_type": "bearer",
            "access_token": access,
            "expires_in": ACCESS_SECONDS,
            "refresh_token": refresh,
            "x_refresh_token_expires_in": REFRESH_SECONDS,
        }
        return Reply.of(made)

    def discovery(self, base: str) -> dict[str, Any]:
        """What the vendor's own client reads first."""
        return {
            "issuer": f"{base}/op/v1",
            "authorization_endpoint": f"{base}/connect/oauth2",
            "token_endpoint": f"{base}/oauth2/v1/tokens/bearer",
            "userinfo_endpoint": f"{base}/v1/openid_connect/userinfo",
            "revocation_endpoint": f"{base}/v2/oauth2/tokens/revoke",
            "jwks_uri": f"{base}/op/v1/jwks",
        }
