"""Which records are new, which of a key's revisions decides, and which came too late.

A duplicate is the same revision with the same content. Of a key's landings the newest that could be mapped decides; one
that could not be mapped leaves what stands as it is and waits as an exception. Either way the answer depends on the set
of records that landed, not on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from tieout.pull.identity import Identity, RecordId, contents, revision_order
from tieout.store.schema import record
from tieout.store.tx import Tx

MAPPED, SKIPPED, FAILED, LATE, DELETED = range(5)
STATES = ("mapped", "skipped", "failed", "late_revisions", "deleted")
_GOOD = (MAPPED, SKIPPED)


class Known(NamedTuple):
    """An earlier landing of a key."""

    row: int
    n: int
    revision: str
    content: bytes
    state: int
    page: int | None
    idx: int


class Record(msgspec.Struct, eq=False):
    """A record on its way in: `n` counts the landings of its key, `page` and `idx` say where it stands."""

    key: bytes
    id: RecordId | None
    revision: str
    content: bytes
    body: Mapping[str, Any]
    page: int | None
    idx: int
    state: int = MAPPED
    n: int = 0
    row: int = 0


KnownByKey = Mapping[bytes, Sequence[Known]]


class Verdict(NamedTuple):
    """Per key the record that decides from now on, if it is a new one; and refused records nothing newer replaces."""

    winners: dict[bytes, Record]
    failures: list[Record]


def identify(identity: Identity, pages: Sequence[Sequence[Mapping[str, Any]]]) -> list[Record]:
    """The records of several pages with their identities. One without an id is refused from the start."""
    out: list[Record] = []
    for number, records in enumerate(pages):
        hashes = contents(records)
        ids = identity.ids(records)
        if None in ids:
            whole = iter(identity.keys([one for one in ids if one is not None]))
            keys = [
                identity.nameless(content) if one is None else next(whole)
                for one, content in zip(ids, hashes, strict=True)
            ]
        else:
            keys = identity.keys(ids)  # type: ignore[arg-type]
        revisions = identity.revisions(records)
        out += map(Record, keys, ids, revisions, hashes, records, [number] * len(records), range(len(records)))
    return out


def known_landings(tx: Tx, source: int, keys: Iterable[bytes]) -> dict[bytes, list[Known]]:
    """Every landing of these keys, in order. Keys ascend with the vendor's numbers, so what is new is mostly beyond the
    highest there is and costs nothing."""
    highest = tx.connection.scalar(
        sa.select(record.c.key).where(record.c.source == source).order_by(record.c.key.desc()).limit(1)
    )
    asked = [key for key in keys if key <= highest] if highest is not None else []
    columns = ("key", "id", "n", "revision", "content", "state", "page", "idx")
    rows = tx.select_keys(record, columns, "key", asked, source=source)
    known: dict[bytes, list[Known]] = {}
    for key, *rest in rows:
        known.setdefault(key, []).append(Known(*rest))
    for landings in known.values():
        landings.sort(key=lambda one: one.n)
    return known


def fresh_records(
    identity: Identity, records: Sequence[Record], known: Mapping[bytes, Sequence[Known]], sweeping: Sequence[bool]
) -> list[Record]:
    """Records that are no duplicates, each with its state so far and its number among the landings of its key."""
    if not known and len({one.key for one in records}) == len(records):
        fresh = list(records)
        for one in fresh:
            if one.id is None or "$error" in one.body:
                one.state = FAILED
        return fresh
    fresh = []
    here: dict[bytes, list[Record]] = {}
    for one in records:
        earlier, beside = known.get(one.key), here.get(one.key)
        if earlier is None and beside is None:
            here[one.key] = [one]
        else:
            if _is_duplicate(identity, one, earlier or (), beside or (), sweeping[one.page or 0]):
                continue
            one.n = (beside[-1].n if beside else earlier[-1].n if earlier else -1) + 1
            here.setdefault(one.key, []).append(one)
        if one.id is None or "$error" in one.body:
            one.state = FAILED
        fresh.append(one)
    return fresh


def _is_duplicate(
    identity: Identity, one: Record, earlier: Sequence[Known], beside: Sequence[Record], sweeping: bool
) -> bool:
    """The same revision with the same content is known.

    A complete sweep says what there is now, so it brings back what was deleted, and, where the stream has no revisions,
    a content that was replaced since; any other delivery of something known changes nothing.
    """
    if any((other.revision, other.content) == (one.revision, one.content) for other in beside):
        return True
    if not any((other.revision, other.content) == (one.revision, one.content) for other in earlier):
        return False
    if not sweeping or beside:
        return True
    last = earlier[-1]
    if last.state == DELETED:
        deciding = newest(identity, earlier)
        return deciding is not None and (deciding.revision, deciding.content) != (one.revision, one.content)
    return identity.revised or last.content == one.content


def newest(identity: Identity, landings: Sequence[Known]) -> Known | None:
    """The landing that decides: the newest revision that could be mapped."""
    good = [one for one in landings if one.state in (MAPPED, SKIPPED)]
    return max(good, key=lambda one: order_of(identity, one)) if good else None


def order_of(identity: Identity, one: Known | Record) -> tuple[Any, ...]:
    """Where a landing stands among those of its key: by revision, content and landing, or by landing alone."""
    return (revision_order(one.revision), one.content, one.n) if identity.revised else (one.n,)


def choose(identity: Identity, fresh: Sequence[Record], known: KnownByKey) -> Verdict:
    """Which records decide. The others become late older revisions."""
    alone = {one.key: one for one in fresh}
    uncontested = not known and len(alone) == len(fresh)
    verdict = Verdict(alone if uncontested else {}, [])
    contested: dict[bytes, list[Record]] = {}
    for one in () if uncontested else fresh:
        key = one.key
        if one.n or key in known or key in contested:
            contested.setdefault(key, []).append(one)
        else:
            verdict.winners[key] = one
    for key, rivals in contested.items():
        first = verdict.winners.pop(key, None)
        _contest(identity, [first, *rivals] if first else rivals, known.get(key, ()), verdict)
    for key in [key for key, one in verdict.winners.items() if one.state == FAILED]:
        verdict.failures.append(verdict.winners.pop(key))
    return verdict


def _contest(identity: Identity, rivals: Sequence[Record], earlier: Sequence[Known], verdict: Verdict) -> None:
    standing = newest(identity, earlier)
    best = _best(identity, [one for one in rivals if one.state in _GOOD])
    if best is not None and standing is not None and order_of(identity, best)[:2] < order_of(identity, standing)[:2]:
        best = None
    landings: list[Known | Record] = [*rivals, *earlier]
    refused = [one for one in landings if one.state == FAILED]
    bars = [one for one in (best, standing, _best(identity, refused)) if one is not None]
    for one in rivals:
        older = any(order_of(identity, one) < order_of(identity, bar) for bar in bars)
        if one is not best and (one.state in _GOOD or older):
            one.state = LATE
    if best is not None:
        verdict.winners[best.key] = best
    verdict.failures.extend(one for one in rivals if one.state == FAILED)


def _best(identity: Identity, landings: Sequence[Known | Record]) -> Any:
    return max(landings, key=lambda one: order_of(identity, one)) if landings else None


def replaced_exceptions(identity: Identity, verdict: Verdict, known: KnownByKey) -> list[int]:
    """Record rows whose exceptions are over: older than what decides now, or refused and older than a newer refusal."""
    rows = []
    for key, one in verdict.winners.items() if known else ():
        if key in known:
            mine = order_of(identity, one)[:2]
            rows += [old.row for old in known[key] if order_of(identity, old)[:2] <= mine]
    for one in verdict.failures:
        mine = order_of(identity, one)
        rows += [old.row for old in known.get(one.key, ()) if old.state == FAILED and order_of(identity, old) < mine]
    return rows
