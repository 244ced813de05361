"""What a vendor answered, bounded and with decimals kept, and which error an answer or a broken connection stands for.

                       read                            write
    not sent           Retryable                       Retryable
    no answer          Retryable                       Ambiguous
    429                RateLimited(until)              RateLimited(until)
    5xx, 408           Retryable                       Ambiguous
    401                refresh once, then NeedsReauth  the same
    other 4xx          Rejected                        Rejected
    unreadable 2xx     Retryable                       Ambiguous

A connector looks at the answer first where its vendor says more (a fault inside a 200, a throttle in XML).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import msgspec

from tieout.errors import Ambiguous, NeedsReauth, RateLimited, Rejected, Retryable, VendorError
from tieout.logs import redact

RETRY_AFTER_SECONDS_MAX: Final = 86_400 * 2  # beyond it the vendor's word is taken for a mistake
RETRY_AFTER_SECONDS_DEFAULT: Final = 60
SHOWN_CHARACTERS_MAX: Final = 300
REQUEST_IDS: Final = ("intuit_tid", "xero-correlation-id", "x-request-id", "request-id", "x-amzn-requestid")

_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: nothing of it is still to come. `body` is decoded (not compressed) and within its bound."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    url: str = ""
    writing: bool = False
    at: float = 0.0  # epoch seconds

    def json(self) -> Any:
        """The body as JSON, decimals kept. What is not JSON is Retryable on a read and Ambiguous on a write."""
        try:
            return _decoder.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.unclear(
                f"the answer is not JSON ({self.headers.get('content-type', 'no type')}): {error}"
            ) from None

    @property
    def request_id(self) -> str:
        """The vendor's own id of the call, for its support; empty where it gives none."""
        return next((self.headers[name] for name in REQUEST_IDS if name in self.headers), "")

    @property
    def clock_off(self) -> float | None:
        """Seconds our clock is ahead of the vendor's `Date`; None where it gives none."""
        try:
            moment = parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError):
            return None
        return self.at - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    @property
    def shown(self) -> str:
        """The beginning of the body, for a message; a secret that came back in it is left out."""
        text = self.body[: SHOWN_CHARACTERS_MAX * 4].decode(errors="replace")
        return redact(" ".join(text.split()))[:SHOWN_CHARACTERS_MAX]

    def unclear(self, what: str) -> VendorError:
        """The error of an answer that does not say whether the request took effect."""
        kind = Ambiguous if self.writing else Retryable
        return kind(what, code="TO6203", where=self.url, request_id=self.request_id, status=self.status)

    def raise_for_status(self) -> Answer:
        """This answer, or the error its status stands for (see the table above)."""
        if self.status < 400:
            return self
        where = self.url
        facts: dict[str, Any] = {"status": self.status, "request_id": self.request_id}
        if self.status == 429:
            until = self.at + self.retry_after(RETRY_AFTER_SECONDS_DEFAULT)
            raise RateLimited("the vendor's limit is reached", until=until, code="TO6204", where=where, **facts)
        if self.status == 401:
            raise NeedsReauth(
                f"the vendor refuses the grant: {self.shown}",
                code="TO6205",
                where=where,
                fix="tieout auth login",
                **facts,
            )
        if self.status >= 500 or self.status == 408:
            what = f"the vendor answered {self.status}: {self.shown}"
            if not self.writing and "retry-after" in self.headers:
                until = self.at + self.retry_after(0)
                raise RateLimited(what, until=until, code="TO6204", where=where, **facts)
            raise self.unclear(what)
        raise Rejected(f"the vendor answered {self.status}: {self.shown}", code="TO6206", where=where, **facts)

    def retry_after(self, default: float) -> float:
        """Seconds the vendor asks us to wait: a number or a date; past dates are 0, nonsense is `default`."""
        text = self.headers.get("retry-after", "").strip()
        try:
            seconds = float(text)  # a delay, never money
        except ValueError:
            try:
                moment = parsedate_to_datetime(text)
            except (TypeError, ValueError):
                return default
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - self.at
        if not seconds <= RETRY_AFTER_SECONDS_MAX:  # not a number, or absurd
            return default
        return max(0.0, seconds)


NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def broken(error: httpx.TransportError, url: str, *, writing: bool) -> VendorError:
    """The error of a connection that broke. Only what surely was not sent may be sent again without a look-up."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, NOT_SENT):
        return Retryable(f"the vendor cannot be reached, nothing was sent ({what})", code="TO6201", where=url)
    if writing:
        return Ambiguous(f"the request was sent and no whole answer came back ({what})", code="TO6202", where=url)
    return Retryable(f"no whole answer came back ({what})", code="TO6202", where=url)
