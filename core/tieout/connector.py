"""The plugin API: what a connector declares and offers. Authors import these names from `tieout`.

A connector is a package with an entry point in the group `tieout.connectors`; the entry point names a module (or object)
with hook implementations (`tieout.hookimpl`), of which `tieout_connector()` returns a `Connector` class. The framework
owns state: cursors, dedup, retries, budgets, keys. A connector fetches, sends and says what it can do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel

from tieout.errors import Fatal, VendorError
from tieout.model.journal import Balance, Document, LedgerEntry, Receipt
from tieout.model.master import Account

if TYPE_CHECKING:
    from tieout.http.client import Http

API_VERSION = 1


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of record a source offers, in a stable order of arrival.

    `key`: paths whose values together are the vendor transaction id. `line_key`: path of the line id when a record is a
    line. `revision`: path of a version, token or update time; None declares `last_landed_wins`. `cursor`: what the
    cursor means, in words. `lag_seconds`: how late the vendor may still show a record before the cursor.
    `deletes`: how deletions are seen: never, by a record that says so, or by comparing a complete sweep.
    `personal`: paths replaced by keyed pseudonyms before landing. `schema`: JSON Schema of a record, for the checker.
    """

    name: str
    key: tuple[str, ...]
    line_key: str | None = None
    revision: str | None = None
    cursor: str = "opaque"
    lag_seconds: int = 0
    deletes: Literal["never", "record", "sweep"] = "never"
    history_days: int | None = None
    webhook: str | None = None
    personal: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    dates_only: bool = False
    kind: Literal["records", "stock", "master"] = "records"


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """How a ledger keeps a repeated write from doubling (`docs/guarantees.md`). `key_seconds` None: kept for ever.

    `batch`: what a call with several documents may do: write all or none (`atomic`), or answer for each (`per_item`).
    `batch_key`: what the ledger remembers of such a call: a key of each document (`item`), or one of the whole call
    (`call`), which then protects only the same documents in the same bytes.
    """

    kind: Literal["none", "key"] = "none"
    key_seconds: int | None = None
    key_length_max: int = 40
    replays_errors: bool = False
    unique_reference: bool = False
    lookup: Literal["none", "by_reference", "by_key"] = "none"
    index_lag_seconds: int = 0
    late_commit_seconds_max: int = 0
    batch: Literal["none", "atomic", "per_item"] = "none"
    batch_key: Literal["item", "call"] = "item"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger can take. Lengths in characters, `lines_max` per document; `batch_size_max` documents in one call
    of `BatchLedger.deliver_many`, which is used when it is above 1."""

    idempotency: Idempotency = Idempotency()
    documents: tuple[str, ...] = ("journal",)
    dimensions: tuple[str, ...] = ()
    locks: bool = False
    batch_size_max: int = 1
    lines_max: int = 10_000
    narration_length_max: int = 4_000
    reference_length_max: int = 21
    reverse: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's declaration. `config` is the pydantic model of its section in `tieout.toml`; mark secrets with
    `tieout.Secret`. `hosts` is the allow-list of outbound hosts."""

    name: str
    vendor: str
    version: str
    api_version: int = API_VERSION
    vendor_api: str = ""
    roles: tuple[Literal["source", "ledger"], ...]
    config: type[BaseModel]
    streams: tuple[Stream, ...] = ()
    capabilities: Capabilities | None = None
    hosts: tuple[str, ...] = ()
    rate_limits: Mapping[str, str] = {}
    maintenance: tuple[str, ...] = ()


class Page(msgspec.Struct, kw_only=True):
    """Records as the vendor sent them, and the cursor to store once they have landed.

    `body` holds the page's bytes exactly; `records` are parsed from it with decimals kept (never floats), in order.
    `complete`: this page ends a full sweep of the stream, so a key not seen since the sweep began is deleted.
    `raw` None: the records are the only form there is and are stored as canonical JSON.
    """

    records: Sequence[Mapping[str, Any]]
    cursor: str
    body: bytes | None = None
    codec: str = "json"
    sweep: Literal["", "begin", "middle", "end"] = ""
    watermark: datetime | None = None


class StockRow(msgspec.Struct, frozen=True):
    """A source's own quantity on hand, in its own ids and units. `quantity` as exact decimal text."""

    item: str
    location: str
    quantity: str
    unit: str = ""
    condition: str = ""
    lot: str = ""


class StockReport(msgspec.Struct, frozen=True):
    """Stock as of an instant; `complete`: an item that is not listed has none."""

    as_of: datetime
    rows: tuple[StockRow, ...]
    complete: bool = True


class Finding(msgspec.Struct, frozen=True):
    """One result of `check()`: `ok`, `warning` or `error`, what was found and what to do."""

    level: Literal["ok", "warning", "error"]
    what: str
    fix: str = ""


def _no_way(**_: Any) -> NoReturn:
    raise Fatal("this connector was made without a way to its vendor", code="TO6210")


class Context(msgspec.Struct, kw_only=True):
    """What the framework gives a connector: its validated config, the project folder, a clock and its way to the vendor.

    `http(base_url=…, oauth=… or auth=…, purse=…, headers=…, look=…)` makes a `tieout.Http` that keeps this connection's
    grant and reaches the manifest's hosts only.
    """

    connection: str
    company: str
    currency: str
    config: BaseModel
    root: Path
    now: Callable[[], datetime]
    http: Callable[..., Http] = _no_way


@runtime_checkable
class Source(Protocol):
    """A connector that has stock movements and documents."""

    manifest: ClassVar[Manifest]

    def check(self) -> list[Finding]: ...

    def streams(self) -> Sequence[Stream]:
        """The streams of this connection as configured (a `files` connection declares its own)."""
        ...

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        """Pages after `cursor` (None: from the beginning), lower bound inclusive; each proposes the next cursor."""
        ...

    def stock(self, as_of: datetime) -> StockReport | None:
        """The source's own quantities, for reconciliation; None when it has none."""
        ...


@runtime_checkable
class Ledger(Protocol):
    """A connector that has accounts and journal entries."""

    manifest: ClassVar[Manifest]

    def check(self) -> list[Finding]: ...

    def accounts(self) -> list[Account]: ...

    def locked_through(self) -> date | None:
        """The last locked day, None when nothing is locked."""
        ...

    def render(self, document: Document) -> bytes:
        """The exact request bytes of a document. Stored before the first send; a retry sends these very bytes."""
        ...

    def deliver(self, body: bytes, key: str) -> Receipt:
        """Send rendered bytes under an idempotency key. Raises from the VendorError tree; `Ambiguous` when unknown."""
        ...

    def find(self, reference: str) -> Receipt | None:
        """The document that bears our reference, or None when the ledger certainly has none."""
        ...

    def balances(self, accounts: Sequence[str], as_of: date) -> list[Balance]: ...

    def entries(self, accounts: Sequence[str], since: date | None) -> Iterator[LedgerEntry]:
        """Entries on these accounts, ours and foreign, to find edited, deleted and foreign ones."""
        ...


class Sending(msgspec.Struct, frozen=True):
    """One document of a call that carries several: our reference, its stored bytes, and its own idempotency key."""

    reference: str
    body: bytes
    key: str


@runtime_checkable
class BatchLedger(Ledger, Protocol):
    """A ledger one of whose calls may carry several documents; optional. `deliver` stays, for documents sent alone.

    The documents of a call are of one kind, and none depends on another of it. `Idempotency.batch` and `batch_key` say what holds for a call.
    """

    def join(self, documents: Sequence[Sending]) -> bytes:
        """The exact request bytes of a call: the same documents give the same bytes, from nothing but them."""
        ...

    def deliver_many(self, body: bytes, key: str, documents: Sequence[Sending]) -> Sequence[Receipt | VendorError]:
        """Send joined bytes under the key of the call. Answers for each document, in order: the receipt; `Rejected` for
        one that was refused for a reason of its own; `Retryable` for one that surely was not written and may go again;
        `Ambiguous` for one whose outcome is unknown.

        Raises as `deliver` does where one answer holds for them all: `Retryable` nothing was written, `Ambiguous`
        anything may have been.
        """
        ...


Connector = type[Source] | type[Ledger]
