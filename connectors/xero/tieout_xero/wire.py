"""What Xero says beside its data: budgets in headers, reasons in elements, dates in brackets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tieout import Answer, NeedsReauth, Rejected, Window

_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCKED = re.compile(r"lock date", re.IGNORECASE)
_KEY_REUSED = re.compile(r"idempotency key", re.IGNORECASE)


def day(text: object) -> date | None:
    """A document's date: `/Date(ms+0000)/` is midnight UTC, whatever its offset says; ISO texts are taken too."""
    found = _DATE.fullmatch(str(text or ""))
    if found:
        return (_EPOCH + timedelta(milliseconds=int(found.group(1)))).date()
    return date.fromisoformat(str(text)[:10]) if text else None


class Look:
    """Reads an answer before its status is judged: believes the budgets, and knows a key that was used otherwise."""

    def __init__(self, minute: Window, day: Window) -> None:
        self._windows = (("x-minlimit-remaining", minute), ("x-daylimit-remaining", day))

    def __call__(self, answer: Answer) -> None:
        for name, window in self._windows:
            left = answer.headers.get(name, "")
            if left.isdigit():
                window.believe(int(left))
        if answer.status == 400 and _KEY_REUSED.search(answer.shown):
            raise answer.unclear("Xero has seen this key with another request")
        if answer.status == 403:
            raise NeedsReauth(
                f"Xero does not let this connection in ({answer.shown})",
                code="TO6401",
                where=answer.url,
                fix="the organisation was disconnected, or the user lost rights: tieout auth login CONNECTION",
            )
        if answer.status in (400, 404) and answer.headers.get("content-type", "").startswith("application/json"):
            data = answer.json()
            elements = data.get("Elements") if isinstance(data, dict) else None
            if elements:
                raise refusal(elements[0], answer)


def refusal(element: Mapping[str, Any], answer: Answer) -> Rejected:
    """Why one document was refused. Texts are only looked at for the lock date."""
    reasons = [str(each.get("Message") or "") for each in element.get("ValidationErrors") or ()]
    text = "; ".join(filter(None, reasons)) or "Xero gives no reason"
    closed = any(_LOCKED.search(reason) for reason in reasons)
    return Rejected(
        f"Xero refuses it ({text})",
        code="TO6402" if closed else "TO6403",
        where=answer.url,
        fix="it is planned again on the first open day" if closed else "mend what Xero names, then retry",
        closed_period=closed,
        request_id=answer.request_id,
    )


def elements(answer: Answer, name: str) -> list[dict[str, Any]]:
    """The documents of an answer. A 200 without them says nothing about what happened."""
    data = answer.json()
    found = data.get(name) if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise answer.unclear(f"Xero answered without {name}")
    return found


def where_day_from(begin: date) -> str:
    return f"Date>=DateTime({begin.year},{begin.month:02d},{begin.day:02d})"
