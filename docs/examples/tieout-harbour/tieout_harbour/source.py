"""Movements and stock of Harbour.

    GET /v1/moves?since=TIME&after=NUMBER&limit=N    changed at or after TIME, by (changed, number), after that position
    GET /v1/stock                                    what is there now

A cursor is the position of the last record handed over, "TIME NUMBER". A pull begins again a little before it, because the
vendor may still show a record late; what comes twice is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from tieout import (
    Context,
    Fatal,
    Finding,
    FixedToken,
    Http,
    Manifest,
    Page,
    Purse,
    Secret,
    StockReport,
    StockRow,
    Stream,
    VendorError,
    Window,
)

PAGE_RECORDS = 50
PAGES_MAX = 100_000
BEGINNING = "2000-01-01T00:00:00+00:00"


class Config(BaseModel):
    """What a user writes under [connections.NAME]; anything else is refused with file, line and column."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    token: Secret
    api_url: str = "https://api.harbour.example"


class Harbour:
    """Source connector `harbour`."""

    manifest: ClassVar[Manifest] = Manifest(
        name="harbour",
        vendor="Harbour",
        version="0.1.0",
        vendor_api="v1",
        roles=("source",),
        config=Config,
        streams=(
            Stream(
                name="moves",
                key=("number",),
                revision="changed",
                cursor="time and number of the last movement handed over",
                lag_seconds=60,
                deletes="record",
                personal=("customer.email",),
            ),
        ),
        hosts=("api.harbour.example",),
        rate_limits={"minute": "600 calls"},
    )

    def __init__(self, context: Context) -> None:
        config = context.config
        if not isinstance(config, Config):
            raise Fatal("the configuration is not this connector's", fix="validate it with manifest.config")
        self.http: Http = context.http(
            base_url=config.api_url,
            auth=FixedToken("Authorization", config.token.get, "Bearer "),
            purse=Purse((Window("minute", 600, 60),)),
        )

    def check(self) -> list[Finding]:
        try:
            _listed(self._get("v1/moves", since=BEGINNING, after="", limit="1"), "moves")
        except VendorError as error:
            return [Finding("error", error.message, error.fix or "")]
        return [Finding("ok", "Harbour answers")]

    def streams(self) -> Sequence[Stream]:
        return self.manifest.streams

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        if stream != "moves":
            raise Fatal(f"no stream {stream!r}", fix="streams of this connector: moves")
        since, after = self._start(cursor), ""
        for _ in range(PAGES_MAX):
            answer = self._get("v1/moves", since=since, after=after, limit=str(PAGE_RECORDS))
            records = _listed(answer, "moves")
            if records:
                since, after = records[-1]["changed"], records[-1]["number"]
                cursor = f"{since} {after}"
            yield Page(records=records, cursor=cursor or f"{BEGINNING} 0")
            if len(records) < PAGE_RECORDS:
                return
        raise Fatal(f"more than {PAGES_MAX} pages in one pull")

    def _start(self, cursor: str | None) -> str:
        """The instant to begin at: the cursor's own, less the lag."""
        if cursor is None:
            return BEGINNING
        try:
            moment = datetime.fromisoformat(cursor.partition(" ")[0])
        except ValueError:
            raise Fatal(f"the cursor {cursor!r} is not one of ours", fix="reset the stream's cursor") from None
        return (moment - timedelta(seconds=self.manifest.streams[0].lag_seconds)).isoformat()

    def stock(self, as_of: datetime) -> StockReport | None:
        """What the vendor says is there now; it cannot say what was there before."""
        rows = _listed(self._get("v1/stock"), "stock")
        return StockReport(as_of, tuple(StockRow(r["item"], r["site"], _exact(r["quantity"])) for r in rows))

    def _get(self, path: str, **params: str) -> Any:
        return self.http.read("GET", path, params=params)


def _listed(answer: Any, name: str) -> list[dict[str, Any]]:
    """The rows of an answer. A 200 without them says nothing, so it is asked again later."""
    data = answer.json()
    rows = data.get(name) if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise answer.unclear(f"the answer has no {name!r}")
    return rows


def _exact(value: Any) -> str:
    return format(Decimal(str(value)), "f")
