"""The source: each stream's files, page by page, continuing where the last pull ended."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, ClassVar

import msgspec

from tieout import Context, Drift, Fatal, Finding, Manifest, Page, StockReport, Stream, TieoutError
from tieout_files.config import FileConfig, FilesConfig, JoinConfig, StreamConfig
from tieout_files.cursor import Cursor, FileState, read_cursor
from tieout_files.find import Found, find_files
from tieout_files.parse import Documents, Record, Shape, bad, number, parse
from tieout_files.records import GROUP_ROWS_MAX, GROUPS_MAX, Join, group, last_group, missing_columns
from tieout_files.rows import Damaged, Rows, TextRows, content_sha
from tieout_files.schema import schema_of
from tieout_files.sheet import SheetRows
from tieout_files.stock import report

log = logging.getLogger("tieout.files")
SAMPLE_RECORDS = 100
FINDINGS_MAX = 10  # bad rows shown per file by `check`
Attach = Callable[[list[Record], str, int], None]


class Codec(msgspec.Struct, frozen=True, omit_defaults=True):
    """How to read a page's body again by itself (`FilesSource.decode`): its shape, and the numbering at its start."""

    shape: Shape
    documents: Documents
    head: int = 0
    file: str = ""
    line: int = 1
    counts: tuple[tuple[tuple[str, ...], int], ...] = ()


class FilesSource:
    """Source connector `files` (see the README for its configuration)."""

    manifest: ClassVar[Manifest] = Manifest(
        name="files", vendor="files", version="0.1.0", roles=("source",), config=FilesConfig
    )

    def __init__(self, context: Context) -> None:
        if not isinstance(context.config, FilesConfig):
            raise Fatal("the configuration is not a FilesConfig", code="TO3169", fix="validate it with manifest.config")
        self._config = context.config
        self._root = context.root
        self._streams = {s.name: s for s in self._config.streams}
        self._schemas: dict[str, dict[str, Any] | None] = {}

    # -- what is offered

    def streams(self) -> Sequence[Stream]:
        return [self._declare(config) for config in self._config.streams]

    def _declare(self, config: StreamConfig) -> Stream:
        return Stream(
            name=config.name,
            key=tuple(path_of(config, c) for c in config.key),
            revision=path_of(config, config.revision) if config.revision else None,
            cursor="per file: bytes read and their SHA-256",
            lag_seconds=config.lag_seconds,
            deletes=config.deletes,
            personal=tuple(path_of(config, c) for c in config.personal),
            schema=self._schema(config),
            dates_only=config.dates_only,
            kind=config.kind,
        )

    def _schema(self, config: StreamConfig) -> dict[str, Any] | None:
        if config.name not in self._schemas:
            try:
                sample = self._sample(config)
            except (TieoutError, Damaged, OSError):  # `check` reports it; without a file there is no schema
                sample = []
            closed = config.kind_of_file(config.path) != "jsonl"
            self._schemas[config.name] = schema_of(sample, closed) if sample else None
        return self._schemas[config.name]

    def _sample(self, config: StreamConfig) -> list[Record]:
        """Some records of the first file, joined and grouped; of an empty one a row of empty values."""
        for found in self._find(config):
            rows = self._open(config, found, settled=True)
            try:
                records = rows.take(SAMPLE_RECORDS) or [dict.fromkeys(rows.names, "")]
                number(records, config.documents, {})
                if config.group_by:
                    records = group(records, config.documents, set(), found.name, 1)
                records = [r for r in records if "$error" not in r]
                for join in config.join:
                    attached = self._sample_join(join)
                    for record in records:
                        record[join.name] = attached if join.many else next(iter(attached), None)
                return records
            finally:
                rows.close()
        return []

    def _sample_join(self, join: JoinConfig) -> list[Record]:
        """Some rows of a joined file, whichever they belong to."""
        for found in self._find(join):
            rows = (record for _, _, record in self._all_rows(join, found) if "$error" not in record)
            return list(islice(rows, SAMPLE_RECORDS))
        return []

    def check(self) -> list[Finding]:
        findings: list[Finding] = []
        for config in self._config.streams:
            try:
                findings.extend(self._check_stream(config))
            except Damaged as error:
                findings.append(_finding(config, error.record))
            except TieoutError as error:
                findings.append(Finding("error", f"{config.name}: {error.message}", error.fix or ""))
            except OSError as error:
                findings.append(Finding("error", f"{config.name}: {error}", "make the file readable"))
        return findings

    def _check_stream(self, config: StreamConfig) -> Iterator[Finding]:
        found = self._find(config)
        if not found:
            yield Finding("warning", f"{config.name}: no file matches {config.path} yet", "drop a file there")
        for one in found[:1]:
            rows = self._open(config, one, settled=True)
            try:
                records = rows.take(config.page_size)
                yield Finding("ok", f"{config.name}: {len(found)} files, {one.name} has {len(rows.names)} columns")
                yield from islice((_finding(config, r) for r in records if "$error" in r), FINDINGS_MAX)
                number(records, config.documents, {})
                flat = not config.group_by and not config.revision and bool(rows.names)
                keys = [tuple(r.get(c) for c in config.key) for r in records if flat and "$error" not in r]
                if twice := len(keys) - len(set(keys)):
                    fix = "name more columns in `key`, or number the rows with row_number_per"
                    yield Finding("warning", f"{config.name}: {twice} of the first {len(keys)} keys repeat", fix)
            finally:
                rows.close()
        for join in config.join:
            yield Finding("ok", f"{config.name}: joins {len(self._find(join))} files of {join.path}")

    def stock(self, as_of: datetime) -> StockReport | None:
        """The latest count at or before `as_of`; None when there is no stock stream or no such count."""
        for config in self._config.streams:
            if config.stock is not None:
                files = [(f.name, partial(self._all_rows, config, f)) for f in self._find(config)]
                return report(config.stock, files, as_of)
        return None

    # -- reading

    def pull(self, stream: str, cursor: str | None, until: datetime) -> Iterator[Page]:
        """New and changed content, file by file; the last page is empty and says that all files were read."""
        config = self._stream(stream)
        state = read_cursor(cursor, stream)
        found = self._find(config)
        waiting = [f for f in found if not _unchanged(state.files.get(f.name), f)]
        joined, many = self._fingerprint(config), any(j.many for j in config.join)
        if joined != state.joins or (waiting and many):
            # Only a pass over all files can tell which children nobody asked for; its last file is marked as read when
            # they have been said.
            state.files, state.joins, waiting = {}, joined, found
        complete = True
        if waiting:
            joins, attach = self._join(config)
            if errors := [e for join in joins for e in join.errors]:
                yield Page(records=errors, cursor=state.text())
            for file in waiting:
                done = yield from self._pull_file(config, state, file, attach)
                complete = complete and done
            if complete and (orphans := [o for join in joins for o in join.orphans()]):
                yield Page(records=orphans, cursor=state.text())
        state.forget({f.name for f in found})
        yield Page(records=(), cursor=state.text(), watermark=until if complete else None)

    def _pull_file(
        self, config: StreamConfig, state: Cursor, file: Found, attach: Attach
    ) -> Generator[Page, None, bool]:
        """Pages of one file; returns whether it is finished with, for now."""
        before = state.files.get(file.name)
        settled = file.mtime <= time.time_ns() - config.settle_seconds * 10**9
        if config.deletes == "sweep" and not settled:
            return False
        if before is None and (twin := self._twin(config, state, file)):
            log.info("%s: %s holds what %s held; skipped", config.name, file.name, twin)
            old = state.files[twin]
            state.put(file.name, FileState(file.size, file.mtime, old.read, old.sha, old.whole))
            return True
        try:
            reading = self._resume(config, file, before, settled)
        except Damaged as error:
            if not settled:
                return False
            state.put(file.name, FileState(file.size, file.mtime, whole="damaged"))
            yield Page(records=[error.record], cursor=state.text())
            return True
        try:
            yield from reading.pages(state, attach)
        except Damaged as error:
            state.put(file.name, FileState(file.size, file.mtime, whole="damaged"))
            yield Page(records=[error.record], cursor=state.text())
            return True
        finally:
            reading.rows.close()
        return not reading.rows.unfinished

    def _resume(self, config: StreamConfig, file: Found, before: FileState | None, settled: bool) -> _Reading:
        reading = _Reading(config, file, self._open(config, file, settled))
        if before is None or not before.read or config.deletes == "sweep":
            return reading
        reading.rows.unfinished = False
        if reading.rows.replay(before.read, before.sha, reading.remember if reading.remembers else None):
            return reading
        log.info("%s: %s was replaced; read again", config.name, file.name)
        reading.rows.close()
        return _Reading(config, file, self._open(config, file, settled))

    def decode(self, stream: str, body: bytes, codec: str) -> list[Record]:
        """The records of a stored page from its bytes alone."""
        how = msgspec.json.decode(codec, type=Codec)
        lines = body[how.head :].splitlines(keepends=True)
        records, _ = parse(how.shape, lines, how.line, how.file)
        counts = {(k[0] if len(k) == 1 else k): n for k, n in how.counts}
        number(records, how.documents, counts)
        return group(records, how.documents, set(), how.file, how.line) if how.documents.by else records

    # -- files

    def _stream(self, name: str) -> StreamConfig:
        if name not in self._streams:
            fix = f"streams of this connection: {', '.join(self._streams)}"
            raise Fatal(f"no stream {name!r}", code="TO3169", fix=fix)
        return self._streams[name]

    def _find(self, config: FileConfig) -> list[Found]:
        order = config.order if isinstance(config, StreamConfig) else "name"
        return find_files(config, self._root, self._config.folders, order)

    def _open(self, config: FileConfig, file: Found, settled: bool) -> Rows:
        kind = config.kind_of_file(file.name)
        if kind is None:
            fix = "state `format`, or name the files with a suffix such as .csv"
            raise Damaged(bad("TO3167", "the format cannot be told from the name", file.name, 1, "", fix))
        opened = SheetRows if kind == "xlsx" else TextRows
        rows: Rows = opened(file.path, file.name, config, settled)
        missing = missing_columns(rows.names, config) if isinstance(config, StreamConfig) and rows.names else []
        if missing:
            rows.close()
            fix = f"columns here: {', '.join(rows.names)}"
            raise Damaged(bad("TO3167", f"no column {missing[0]!r}", file.name, 1, rows.head, fix))
        return rows

    def _all_rows(self, config: FileConfig, file: Found) -> Iterator[tuple[str, int, Record]]:
        """Every row of one file with its line (the page's first where a page is clean)."""
        rows = self._open(config, file, settled=True)
        try:
            while not rows.ended:
                line = rows.line
                for at, record in enumerate(rows.take(2_000)):
                    yield file.name, line + at, record
                rows.commit()
        finally:
            rows.close()

    def _twin(self, config: StreamConfig, state: Cursor, file: Found) -> str:
        """The name under which this very content was read before; empty when it is new."""
        same_size = [n for n, s in state.files.items() if s.size == file.size and len(s.whole) == 64]
        if not same_size or config.deletes == "sweep":
            return ""
        sha = content_sha(file.path, config)
        return next((n for n in same_size if state.files[n].whole == sha), "")

    def _fingerprint(self, config: StreamConfig) -> str:
        stats = [(f.name, f.size, f.mtime) for join in config.join for f in self._find(join)]
        return hashlib.sha256(repr(stats).encode()).hexdigest()[:16] if stats else ""

    def _join(self, config: StreamConfig) -> tuple[list[Join], Attach]:
        """The joined files in memory. Drift (the stream is held) when one cannot be read: every record needs it."""
        try:
            joins = [
                Join(join, (row for file in self._find(join) for row in self._all_rows(join, file)))
                for join in config.join
            ]
        except Damaged as error:
            what = error.record["$error"]
            raise Drift(what["message"], code=what["code"], where=what["where"], fix=what["fix"]) from None

        def attach(records: list[Record], file: str, line: int) -> None:
            for join in joins:
                join.attach(records, file, line)

        return joins, attach


class _Reading:
    """One file on its way: numbering and grouping carried from page to page."""

    def __init__(self, config: StreamConfig, file: Found, rows: Rows) -> None:
        self.config = config
        self.how = config.documents
        self.file = file
        self.rows = rows
        self.counts: dict[Any, int] = {}
        self.seen: set[int] = set()
        self.remembers = bool(config.row_number_per or config.group_by)
        text = config.kind_of_file(file.name) != "xlsx"
        self._keeps_bytes = text and not config.join and not config.personal

    def remember(self, records: list[Record]) -> None:
        """Rows read by an earlier pull: their numbers and documents."""
        number(records, self.how, self.counts)
        if self.config.group_by:
            self.seen.update(
                hash(tuple([str(r[c]) for c in self.config.group_by])) for r in records if "$error" not in r
            )

    def pages(self, state: Cursor, attach: Attach) -> Iterator[Page]:
        sweep = self.config.deletes == "sweep"
        position = (self.rows.read, self.rows.sha())
        first, broken, empty = True, False, True
        while not self.rows.ended:
            before, line = position, self.rows.line
            records, may_grow = self._take()
            if not records and self.rows.ended:
                break
            codec = self._codec(records, line)
            self._number(records, line)
            if self.how.by:
                records = group(records, self.how, self.seen, self.file.name, line)
            attach(records, self.file.name, line)
            body = self.rows.head + self.rows.commit()
            position = before if may_grow else (self.rows.read, self.rows.sha())
            self._mark(state, position)
            wrong = (sweep or bool(self.how.by)) and any("$error" in r for r in records)
            broken = broken or wrong
            first, empty, mark = False, empty and not records, ("begin" if first else "middle") if sweep else ""
            page = Page(records=records, cursor=state.text(), sweep=mark)  # type: ignore[arg-type]
            if self._keeps_bytes and not (self.how.by and wrong):  # why a document was refused is not in its bytes
                page.body, page.codec = body, codec
            yield page
        self._mark(state, position, whole=self.rows.sha() if not self.rows.unfinished else "")
        if sweep:
            yield self._end_of_sweep(state, empty, broken)

    def _mark(self, state: Cursor, position: tuple[int, str], whole: str = "") -> None:
        state.put(self.file.name, FileState(self.file.size, self.file.mtime, *position, whole))

    def _take(self) -> tuple[list[Record], bool]:
        """The next rows, whole documents only; and whether the last document may grow when the file does."""
        if not self.config.group_by:
            return self.rows.take(self.config.page_size), False
        count = self.config.page_size if self.config.group_adjacent else GROUP_ROWS_MAX
        while True:
            records = self.rows.take(count)
            if self.rows.ended:
                return records, True
            held = last_group(records, self.config.group_by) if self.config.group_adjacent else len(records)
            if held < len(records):
                self.rows.give_back(held)
                return records[: len(records) - held], False
            if count >= GROUP_ROWS_MAX:
                message = f"more than {GROUP_ROWS_MAX} rows of one document"
                raise Damaged(bad("TO3173", message, self.file.name, self.rows.line, "", "check group_by"))
            self.rows.give_back(held)
            count = min(count * 4, GROUP_ROWS_MAX)

    def _number(self, records: list[Record], line: int) -> None:
        number(records, self.how, self.counts)
        if len(self.counts) > GROUPS_MAX:
            message = f"more than {GROUPS_MAX} documents to number in one file"
            raise Damaged(bad("TO3173", message, self.file.name, line, "", "split the file"))

    def _codec(self, records: list[Record], line: int) -> str:
        known: dict[Any, int] = {}
        if not self._keeps_bytes:
            return ""
        if self.config.row_number_per and self.counts:
            per = self.config.row_number_per
            for record in records:
                if "$error" not in record:
                    key = record[per[0]] if len(per) == 1 else tuple([record[c] for c in per])
                    if key in self.counts:
                        known[key] = self.counts[key]
        counts = tuple((k if isinstance(k, tuple) else (k,), n) for k, n in known.items())
        how = Codec(self.rows.shape, self.how, len(self.rows.head), self.file.name, line, counts)
        return msgspec.json.encode(how).decode()

    def _end_of_sweep(self, state: Cursor, empty: bool, broken: bool) -> Page:
        """Deletions follow only from a snapshot whose every row could be read."""
        if empty:
            message, fix = "the snapshot holds no row; nothing is concluded from it", "send the snapshot again"
            error = bad("TO3172", message, self.file.name, 1, "", fix)
            return Page(records=[error], cursor=state.text(), sweep="middle")
        return Page(records=(), cursor=state.text(), sweep="middle" if broken else "end")


def path_of(config: StreamConfig, name: str) -> str:
    """The path of a column, quoted where its name holds signs that mean something in a path. JSON has paths already."""
    plain = config.kind_of_file(config.path) == "jsonl" or not set(name) & set(".[]\"|{}`*@&!'$(")
    return name if plain else json.dumps(name)


def _finding(config: StreamConfig, record: Record) -> Finding:
    error = record["$error"]
    return Finding("error", f"{config.name}: {error['where']}: {error['code']} {error['message']}", error["fix"])


def _unchanged(state: FileState | None, file: Found) -> bool:
    return bool(state and state.whole and (state.size, state.mtime) == (file.size, file.mtime))
