"""QuickBooks calls us: a JSON array of CloudEvents, or the envelope before it, signed over the raw body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tieout import Notice, Secret, is_signed

STREAMS = {"bill": "bills", "vendorcredit": "vendor_credits"}


def notices(verifier: Secret | None, headers: Mapping[str, str], body: bytes) -> Sequence[Notice] | None:
    """One notice for each event; None where the signature is not the verifier token's."""
    if verifier is None or not is_signed(body, headers.get("intuit-signature", ""), [verifier.get()]):
        return None
    try:
        data = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return []  # genuine and unreadable: the polls find what it was about
    if isinstance(data, list):
        return [_event(event) for event in data if isinstance(event, Mapping) and event.get("id")]
    found = data.get("eventNotifications", ()) if isinstance(data, Mapping) else ()
    return [
        Notice(f"{entity.get('name')} {entity.get('id')} {entity.get('lastUpdated')}", _stream(entity.get("name")))
        for each in found
        for entity in (each.get("dataChangeEvent") or {}).get("entities", ())
    ]


def _event(event: Mapping[str, Any]) -> Notice:
    parts = str(event.get("type") or "").split(".")
    return Notice(str(event["id"]), _stream(parts[1] if len(parts) > 1 else ""), _instant(event.get("time")))


def _stream(name: object) -> str:
    return STREAMS.get(str(name).lower(), "")


def _instant(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0  # seconds
