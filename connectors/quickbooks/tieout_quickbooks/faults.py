"""QuickBooks faults → what to do next. A fault may come with HTTP 200, as XML, in capitals or not, as `3001` or `003001`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tieout import Answer, Fatal, NeedsReauth, RateLimited, Rejected, Retryable, VendorError

AUTH = frozenset({100, 110, 120, 130, 3100, 3202})
PAUSED = frozenset({140, 150})  # company locked, in maintenance
THROTTLED = 3001
EXPIRED = 3200
DUPLICATE_NUMBER = 6140
CLOSED_PERIOD = frozenset({6200, 6210})
SUSPENDED = frozenset({6190})
UNKNOWN_OUTCOME = frozenset({600, 6002, 10000})
OURS = frozenset({500, 2000, 2010, 2020, 2130, 4000, 4001, 4002, 1040})
_XML = re.compile(rb'<Error[^>]*code="(\d+)"[^>]*>(.*?)</Error>', re.DOTALL)
_HOLDER = re.compile(r"TxnId=(\d+)")
_FIX = {
    610: "an account, class or party the entry uses was deleted or made inactive; correct the account map",
    2500: "an id in the account map or in `classes`, `departments`, `vendors` is not known to QuickBooks",
    6000: "see what QuickBooks says",
    6430: "this account does not take such a line; use another one in the account map",
}


class Fault(NamedTuple):
    code: int
    message: str
    detail: str

    @property
    def text(self) -> str:
        return f"{self.code}: {self.detail or self.message}"


def faults(answer: Answer) -> list[Fault]:
    """Every fault an answer holds, wherever it is. A body that is neither JSON nor XML holds none."""
    body = answer.body
    if body.lstrip()[:1] == b"<":
        return [
            Fault(int(code), re.sub(rb"<[^>]+>", b" ", text).decode(errors="replace").strip(), "")
            for code, text in _XML.findall(body)
        ]
    try:
        data = json.loads(body, parse_float=str)
    except ValueError:
        return []
    return list(_in(data)) if isinstance(data, dict) else []


def _in(data: dict[str, Any]) -> Iterator[Fault]:
    fault = data.get("Fault") or data.get("fault")
    if not isinstance(fault, dict):
        return
    for error in fault.get("Error") or fault.get("error") or ():
        facts = {str(name).lower(): value for name, value in error.items()}
        code = str(facts.get("code") or "0")
        yield Fault(int(code) if code.isdigit() else 0, str(facts.get("message") or ""), str(facts.get("detail") or ""))


def look(answer: Answer) -> None:
    """Raise what a fault means; nothing where there is none. 401 is left to the grant, which is renewed first."""
    found = faults(answer)
    if not found or (answer.status == 401 and all(f.code == EXPIRED for f in found)):
        return
    raise error_of(found, answer)


def error_of(found: list[Fault], answer: Answer) -> VendorError:
    first = found[0]
    text = "; ".join(fault.text for fault in found)
    facts: dict[str, Any] = {"where": answer.url, "request_id": answer.request_id, "fault": first.code}
    if first.code == THROTTLED or answer.status == 429:
        until = answer.at + answer.retry_after(60)
        return RateLimited("QuickBooks asks us to slow down", until=until, code="TO6301", **facts)
    if first.code in AUTH or first.code == EXPIRED:
        return NeedsReauth(
            f"QuickBooks refuses the connection ({text})", code="TO6302", fix="tieout auth login CONNECTION", **facts
        )
    if first.code in PAUSED:
        return Retryable(f"the company cannot be reached in QuickBooks now ({text})", code="TO6303", **facts)
    if first.code in SUSPENDED:
        return Fatal(f"the QuickBooks subscription has ended ({text})", code="TO6304", fix="renew it", **facts)
    if first.code in CLOSED_PERIOD:
        fix = "nothing to do: it is planned again on the first open day"
        return Rejected(f"the books are closed ({text})", code="TO6305", closed_period=True, fix=fix, **facts)
    if first.code == DUPLICATE_NUMBER:
        holder = _HOLDER.search(text)
        return Rejected(text, code="TO6306", duplicate_of=holder.group(1) if holder else "", **facts)
    if first.code in UNKNOWN_OUTCOME or answer.status >= 500:
        return answer.unclear(f"QuickBooks answered {text}")
    if first.code in OURS:
        return Fatal(f"QuickBooks does not understand the request ({text})", code="TO6307", fix="report this", **facts)
    return Rejected(
        f"QuickBooks refuses it ({text})", code="TO6308", fix=_FIX.get(first.code, "see what QuickBooks says"), **facts
    )
