"""Retry: exceptions of the pull stage go through again, with today's mapping and master data, from the landed bytes.

What goes through posts exactly once: the record's events are compared with what stands, so events that posted already
stay untouched. A record that the mapping refused before becomes a further landing of the same revision, since facts are
not changed. What still cannot go on keeps its exception, brought up to date.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.errors import PluginError, StoreError
from tieout.pull.canonical import decode_record, decode_records
from tieout.pull.dedup import FAILED, MAPPED, Known, Record, known_landings, newest, order_of
from tieout.pull.landing import Change, Landed, Lander, compare, exceptions_of, map_records, standing, write_landing
from tieout.store.acts import record_act
from tieout.store.exceptions import close_numbers, list_exceptions
from tieout.store.schema import name, page, record
from tieout.store.store import Store
from tieout.store.tx import Tx

STAGES = ("pull", "map", "resolve")

LanderFor = Callable[[str], Lander]  # source (`connection/stream`) → what lands it today
Decode = Callable[[str, bytes, str], Sequence[Mapping[str, Any]]]  # source, body, codec → records


class Original(NamedTuple):
    """A record as it landed: its page and place, the page's codec and SHA-256, the record itself."""

    page: int
    idx: int
    codec: str
    sha256: str
    record: Mapping[str, Any]


class RetryResult(msgspec.Struct, kw_only=True):
    """`resolved` exceptions went through; `open` ones did not. `batches` hold the new event lines."""

    resolved: list[int] = []
    open: list[int] = []
    batches: list[int] = []
    events: int = 0
    superseded: int = 0
    skipped: Counter[str] = msgspec.field(default_factory=Counter)


def original(tx: Tx, record_row: int, decode: Decode | None = None) -> Original:
    """The landed form of a record row. `decode` reads pages whose codec is the connector's own.

    Raises StoreError TO8017 for an unknown row and PluginError TO9001 when nobody can read the page's codec.
    """
    query = (
        sa.select(page.c.id, record.c.idx, page.c.codec, page.c.sha256, page.c.body, name.c.text)
        .join(page, page.c.id == record.c.page)
        .join(name, name.c.id == record.c.source)
        .where(record.c.id == record_row)
    )
    row = tx.connection.execute(query).one_or_none()
    if row is None:
        raise StoreError(f"there is no landed record {record_row}", code="TO8017")
    number, idx, codec, sha256, packed, source = row
    body = zlib.decompress(packed)
    if codec == "json":
        records: Sequence[Mapping[str, Any]] = decode_records(body)
    elif decode is not None:
        records = decode(source, body, codec)
    else:
        raise PluginError(
            f"page {number} of {source} can only be read by its connector", where=source, fix="install the connector"
        )
    return Original(number, idx, codec, sha256.hex(), records[idx])


def retry(
    store: Store,
    company: int,
    lander_for: LanderFor,
    *,
    actor: str,
    numbers: Iterable[int] | None = None,
    decode: Decode | None = None,
) -> RetryResult:
    """Try exceptions again (all open ones of the pull stage by default), each source in one transaction. An act."""
    with store.read() as rx:
        wanted = None if numbers is None else set(numbers)
        rows = [
            row
            for stage in STAGES
            for row in list_exceptions(rx, company, stage=stage)
            if row["record"] is not None and (wanted is None or row["id"] in wanted)
        ]
    by_source: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_source.setdefault(row["data"]["source"], []).append(row)
    result = RetryResult()
    for source, of_source in sorted(by_source.items()):
        lander = lander_for(source)
        with store.write() as tx:
            lander.company.reload(tx)
            numbers_here = [row["id"] for row in of_source]
            record_act(tx, company, actor, "exception.retry", source, {"exceptions": numbers_here})
            landed = _again(tx, lander, of_source, decode, result)
        if landed is not None and landed.batch is not None:
            result.batches.append(landed.batch)
            result.events += len(landed.events)
            result.superseded += len(landed.superseded)
            result.skipped += landed.skipped
    return result


class _Case(msgspec.Struct):
    """A record with its open exceptions (number → subject) and the state it landed with."""

    record: Record
    exceptions: dict[int, str]
    was: int


def _again(
    tx: Tx, lander: Lander, rows: Sequence[Mapping[str, Any]], decode: Decode | None, result: RetryResult
) -> Landed | None:
    source = lander.company.names.intern(tx, "source", [lander.source])[lander.source]
    cases = _cases(tx, rows, decode)
    known = known_landings(tx, source, {case.record.key for case in cases})
    cases = [case for case in cases if not _is_over(tx, lander, case, known, result)]
    mapped = map_records(lander, [case.record for case in cases if case.record.state == MAPPED])
    fresh = [case.record for case in cases if case.was == FAILED and case.record.state != FAILED]
    for row, one in zip(tx.allocate(record, len(fresh)), fresh, strict=True):
        one.row, one.n = row, known[one.key][-1].n + 1
    resolved = lander.resolver.run(mapped.lines, [mapped.records[origin].row for origin in mapped.origins])
    left_out = Counter(reason for reasons in mapped.skipped.values() for reason in reasons) + resolved.skipped
    change = Change(resolved.lines, resolved.records, {}, [], left_out)
    good = {one.key for one in mapped.records if one.state != FAILED}
    compare(change, *standing(tx, lander.company, [old.row for key in good for old in known[key]]))
    refused = [case.record for case in cases if case.record.state == FAILED]
    change.new = exceptions_of(lander, resolved.held, mapped, refused)
    still = {new.subject for new in change.new}
    for case in cases:
        done = [number for number, subject in case.exceptions.items() if subject not in still]
        close_numbers(tx, done, "went through on retry")
        result.resolved += done
        result.open += [number for number in case.exceptions if number not in done]
    if not (fresh or change.lines or change.voids or change.new):
        return None
    return write_landing(tx, lander, source, change, fresh, counts=Counter())


def _cases(tx: Tx, rows: Sequence[Mapping[str, Any]], decode: Decode | None) -> list[_Case]:
    """The records of exceptions, read back from their pages."""
    exceptions: dict[int, dict[int, str]] = {}
    data: dict[int, Mapping[str, Any]] = {}
    for row in rows:
        exceptions.setdefault(row["record"], {})[row["id"]] = row["subject"]
        data[row["record"]] = row["data"]
    columns = ("id", "key", "n", "revision", "content", "page", "idx", "state")
    cases = []
    for number, key, n, revision, content, page_id, idx, state in sorted(
        tx.select_keys(record, columns, "id", exceptions)
    ):
        body = _body(tx, number, data[number], decode)
        ids = data[number].get("id")
        one = Record(key, tuple(ids) if ids else None, revision, content, body, page_id, idx, MAPPED, n, number)
        if one.id is None or "$error" in body:
            one.state = FAILED  # only its source can mend it
        cases.append(_Case(one, exceptions[number], state))
    return cases


def _body(tx: Tx, number: int, data: Mapping[str, Any], decode: Decode | None) -> Mapping[str, Any]:
    """The record as landed; the exception keeps its text too, so that a retry works without the connector."""
    text = data.get("record")
    return decode_record(text) if text is not None else original(tx, number, decode).record


def _is_over(tx: Tx, lander: Lander, case: _Case, known: Mapping[bytes, Sequence[Known]], result: RetryResult) -> bool:
    """Whether something newer decides the record by now: then its exceptions close."""
    one, identity = case.record, lander.identity
    deciding = newest(identity, known[one.key])
    if deciding is None or deciding.row == one.row:
        return False
    if case.was == FAILED and order_of(identity, one) > order_of(identity, deciding):
        return False
    close_numbers(tx, case.exceptions, "a newer revision of the record landed")
    result.resolved += case.exceptions
    return True
