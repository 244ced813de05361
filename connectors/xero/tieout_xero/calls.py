"""Xero calls us: thin events in one body, signed over its raw bytes; an empty list is the test of whether we look at signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tieout import Notice, Secret, is_signed


def notices(key: Secret | None, headers: Mapping[str, str], body: bytes) -> Sequence[Notice] | None:
    """One notice for each event; none for an intent to receive; None where the signature is not the webhook key's."""
    if key is None or not is_signed(body, headers.get("x-xero-signature", ""), [key.get()]):
        return None
    try:
        data = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return []  # genuine and unreadable: the polls find what it was about
    events = data.get("events", ()) if isinstance(data, Mapping) else ()
    return [_notice(event) for event in events if isinstance(event, Mapping)]


def _notice(event: Mapping[str, Any]) -> Notice:
    when = str(event.get("eventDateUtc") or "")
    try:
        at = datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp()
    except ValueError:
        at = 0.0  # seconds
    return Notice(f"{event.get('resourceId')} {event.get('eventType')} {when}", "", at)
