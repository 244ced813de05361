"""Rows → records: several rows of one document become one, and other files' rows are attached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tieout_files.config import JoinConfig, StreamConfig
from tieout_files.parse import Documents, Record, bad, key_of
from tieout_files.rows import Damaged

JOIN_ROWS_MAX = 1_000_000
GROUP_ROWS_MAX = 100_000
GROUPS_MAX = 2_000_000


def last_group(records: Sequence[Record], columns: Sequence[str]) -> int:
    """How many rows at the end may belong to a document that goes on after them."""
    held = 0
    unsure = False
    key: tuple[str, ...] | None = None
    for record in reversed(records):
        if "$error" not in record:
            here = key_of(record, columns)
            if key is not None and here != key and not unsure:
                break
            key = here
        unsure = "$error" in record  # an unreadable row may belong to the document on either side
        held += 1
    return held


def group(records: Sequence[Record], how: Documents, seen: set[int], file: str, line: int) -> list[Record]:
    """Documents of whole groups. A document that touches an unreadable row may lack that row: it is held, not posted.

    `seen` carries the documents of the pages before, so that a scattered one is refused instead of replaced by a part.
    """
    done: list[Record] = []
    for key, rows, tainted in _runs(records, how):
        if key is None:
            done.extend(rows)
            continue
        name = " ".join(key)
        if tainted:
            why, fix = "touches an unreadable row, which may be one of its own", "correct that row"
        elif hash(key) in seen:
            why, fix = "is scattered over the file", "sort the file or set group_adjacent = false"
        elif differing := _differing(rows, how.header):
            why, fix = (
                f"has rows that disagree on {differing}",
                "correct the rows or take the column out of group_header",
            )
        else:
            seen.add(hash(key))
            header = {c: rows[0][c] for c in (*how.by, *how.header)}
            done.append({**header, how.lines_as: [dict(row) for row in rows]})
            continue
        done.append(bad("TO3174", f"document {name} {why}", file, line, repr(rows), fix))
    if len(seen) > GROUPS_MAX:
        raise Damaged(bad("TO3173", f"more than {GROUPS_MAX} documents in one file", file, line, "", "split the file"))
    return done


def _runs(records: Sequence[Record], how: Documents) -> Iterator[tuple[tuple[str, ...] | None, list[Record], bool]]:
    """Rows by document with whether an unreadable row touches them; unreadable rows under None."""
    if not how.adjacent:
        groups: dict[tuple[str, ...], list[Record]] = {}
        for record in records:
            if "$error" in record:
                yield None, [record], False
            else:
                groups.setdefault(key_of(record, how.by), []).append(record)
        raws = [record["$error"]["raw"] for record in records if "$error" in record]
        for key, rows in groups.items():
            yield key, rows, any(all(part in raw for part in key) for raw in raws)
        return
    current: tuple[str, ...] | None = None
    rows = []
    tainted = unsure = False
    for record in records:
        if "$error" in record:
            tainted = unsure = True
            yield None, [record], False
            continue
        here = key_of(record, how.by)
        if rows and here != current:
            yield current, rows, tainted
            tainted, rows = unsure, []  # an unreadable row just before may be this document's first
        current, unsure = here, False
        rows.append(record)
    if rows:
        yield current, rows, tainted


def _differing(rows: Sequence[Record], columns: Iterable[str]) -> str:
    return next((c for c in columns if len({str(row[c]) for row in rows}) > 1), "")


class Join:
    """The rows of a joined file by key, in memory, and which of them no record has asked for yet."""

    def __init__(self, config: JoinConfig, rows: Iterator[tuple[str, int, Record]]) -> None:
        self.config = config
        self.errors: list[Record] = []
        self._rows: dict[tuple[str, ...], list[Record]] = {}
        columns = tuple(config.on.values())
        for count, (file, line, record) in enumerate(rows):
            if "$error" in record:
                self.errors.append(record)
                continue
            if count >= JOIN_ROWS_MAX:
                message = f"more than {JOIN_ROWS_MAX} rows to join"
                raise Damaged(bad("TO3173", message, file, line, "", "swap the two sides of the join"))
            self._rows.setdefault(key_of(record, columns), []).append(record)
        self._unused = set(self._rows)

    def attach(self, records: list[Record], file: str, line: int) -> None:
        """Puts the rows into the records; a record without its counterpart becomes an error."""
        on, name = tuple(self.config.on), self.config.name
        for at, record in enumerate(records):
            if "$error" in record:
                continue
            key = key_of(record, on)
            rows = self._rows.get(key, [])
            self._unused.discard(key)
            if self.config.many:
                record[name] = [dict(row) for row in rows]
            elif len(rows) == 1:
                record[name] = dict(rows[0])
            else:
                record[name] = None
            if (not rows and self.config.required) or (len(rows) > 1 and not self.config.many):
                what = "no row" if not rows else f"{len(rows)} rows"
                message = f"{self.config.path} has {what} for {name} {' '.join(key)}"
                records[at] = bad("TO3176", message, file, line, repr(record), "correct the key in either file")

    def orphans(self) -> Iterator[Record]:
        """Rows that belong to no record of a complete pass: without this they would silently be lost."""
        if self.config.many and self.config.required:
            for key in sorted(self._unused):
                message = f"no record asks for the {len(self._rows[key])} rows of {self.config.name} {' '.join(key)}"
                fix = "add the record they belong to, or set required = false"
                yield bad("TO3176", message, self.config.path, 0, repr(self._rows[key]), fix)


def missing_columns(names: Sequence[str], config: StreamConfig) -> list[str]:
    """Columns that the stream's identity needs and the file lacks (text formats and sheets: they have a header)."""
    attached = {config.row_number_as, config.lines_as, *(j.name for j in config.join)}
    needed: list[Any] = [*config.key, *config.row_number_per, *config.group_by, *config.group_header]
    needed += [c for j in config.join for c in j.on]
    if config.revision and not config.group_by:
        needed.append(config.revision)
    return [c for c in dict.fromkeys(needed) if c not in names and c not in attached and "." not in c]
