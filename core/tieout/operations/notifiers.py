"""Built-in ways to tell people: e-mail, signed webhooks, apprise. Each is a plugin of its own, so one that fails stops no other.

A webhook is signed as Standard Webhooks describes: `webhook-id`, `webhook-timestamp`, and `webhook-signature`, which is
`v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body` with the secret after `whsec_`, base64-decoded.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from tieout.config.project import Project
from tieout.config.secret import Secret
from tieout.config.tables import EmailTable, WebhookTable
from tieout.errors import ConfigError, Retryable
from tieout.hookspecs import hookimpl

TIMEOUT_SECONDS: Final = 20
SUBJECT_MAX: Final = 200
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def install(project: Project) -> None:
    """Register the ways the project's `[notify]` names; doing it twice changes nothing."""
    known = {plugin.name for plugin in project.plugins.loaded}
    wanted = project.notify
    ways: dict[str, Any] = {} if wanted.email is None else {"notify-email": Email(wanted.email)}
    ways |= {f"notify-webhook-{n}": Webhook(table) for n, table in enumerate(wanted.webhooks, 1)}
    ways |= {f"notify-apprise-{n}": Apprise(secret) for n, secret in enumerate(wanted.apprise, 1)}
    for name, way in ways.items():
        if name not in known:
            project.plugins.add(name, way)


class Email:
    """Notices by SMTP: STARTTLS or TLS, with the server's certificate checked."""

    def __init__(self, table: EmailTable) -> None:
        self._table = table

    @hookimpl
    def tieout_notify(self, subject: str, body: str, data: Mapping[str, Any]) -> None:
        import smtplib
        import ssl

        t = self._table
        if t.encryption == "none" and t.host not in _LOOPBACK:
            raise ConfigError(
                f"mail to {t.host} would go out unencrypted", code="TO1065", fix='encryption = "starttls" or "tls"'
            )
        message = EmailMessage()
        message["Subject"] = " ".join(subject.split())[:SUBJECT_MAX]
        message["From"] = t.sender
        message["To"] = ", ".join(t.to)
        message.set_content(body)
        context = ssl.create_default_context()
        made: smtplib.SMTP = (
            smtplib.SMTP_SSL(t.host, t.port, timeout=TIMEOUT_SECONDS, context=context)
            if t.encryption == "tls"
            else smtplib.SMTP(t.host, t.port, timeout=TIMEOUT_SECONDS)
        )
        with made as server:
            if t.encryption == "starttls":
                server.starttls(context=context)
            if t.user:
                server.login(t.user, t.password.get() if t.password is not None else "")
            server.send_message(message)


class Webhook:
    """Notices to a web address, signed. https only, except to this machine; no redirect is followed."""

    def __init__(self, table: WebhookTable, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._now = now

    @hookimpl
    def tieout_notify(self, subject: str, body: str, data: Mapping[str, Any]) -> None:
        import httpx

        from tieout.http.wire import Wire

        parts = urlsplit(self._table.url)
        here = (parts.hostname or "") in _LOOPBACK
        if parts.scheme != "https" and not (here and parts.scheme == "http"):
            raise ConfigError("a webhook address must be https", code="TO1065", fix="mend [[notify.webhooks]] url")
        moment = int(self._now())
        content = payload(subject, body, data, moment)
        headers = {"Content-Type": "application/json", **signed(self._table.secret.get(), content, moment)}
        try:
            with httpx.Client(transport=Wire(loopback=here), timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                answer = client.post(self._table.url, content=content, headers=headers)
        except httpx.TransportError as error:
            raise Retryable(f"the webhook cannot be reached: {type(error).__name__}", code="TO6216") from error
        if not 200 <= answer.status_code < 300:
            raise Retryable(f"the webhook answered {answer.status_code}", code="TO6216")


def payload(subject: str, body: str, data: Mapping[str, Any], moment: int) -> bytes:
    """The body: `type`, `timestamp`, `data`, as the standard asks."""
    from datetime import UTC, datetime

    said = datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
    about = str(data.get("about", "notice"))
    whole = {"type": f"tieout.{about}", "timestamp": said, "data": {"subject": subject, "body": body, **data}}
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, default=str).encode()


def signed(secret: str, content: bytes, moment: int) -> dict[str, str]:
    """The three headers of Standard Webhooks. The id is of the content, so a repeated delivery can be recognised."""
    number = "msg_" + hashlib.sha256(content).hexdigest()[:32]
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ConfigError(
            "the webhook's secret is not base64", code="TO1065", fix="give it as whsec_ and base64"
        ) from None
    digest = hmac.new(key, f"{number}.{moment}.".encode() + content, hashlib.sha256).digest()
    return {
        "webhook-id": number,
        "webhook-timestamp": str(moment),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


class Apprise:
    """Notices to whatever apprise knows: Slack, Teams, Matrix, SMS … Needs the extra `notify`."""

    def __init__(self, address: Secret) -> None:
        self._address = address

    @hookimpl
    def tieout_notify(self, subject: str, body: str, data: Mapping[str, Any]) -> None:
        try:
            apprise: Any = import_module("apprise")
        except ModuleNotFoundError:
            raise ConfigError(
                "notices by apprise need the apprise package", code="TO1065", fix="pip install 'tieout[notify]'"
            ) from None
        way = apprise.Apprise()
        if not way.add(self._address.get()):
            raise ConfigError(
                "apprise does not know this kind of address", code="TO1065", fix="see its list of services"
            )
        if not way.notify(title=subject, body=body):
            raise Retryable("apprise could not deliver the notice", code="TO6216")
