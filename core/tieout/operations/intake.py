"""The pull stage of a company: every configured stream through its mapping into the store, and retries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from tieout.config.project import Company, Connection
from tieout.config.project import Stream as Configured
from tieout.connector import Source, Stream
from tieout.errors import ConfigError, PluginError, TieoutError, VendorError
from tieout.mapping import CompiledMapping, MapContext, MapResult, Skipped, compile_mapping, lookup_files
from tieout.operations.desk import Desk
from tieout.pull.landing import Lander
from tieout.pull.retry import RetryResult, retry
from tieout.pull.stream import PullResult, make_lander, pull_stream
from tieout.store.versions import keep_version

ORDER = {"master": 0, "records": 1}


class Pulled(NamedTuple):
    """One stream's pull: its result, and what stopped it, if anything did."""

    connection: str
    stream: str
    result: PullResult
    error: TieoutError | None


def load_mapping(path: Path, schema: Mapping[str, Any] | None = None, converters: Any = None) -> CompiledMapping:
    """Compile a mapping file with the lookup files beside it."""
    text = path.read_text(encoding="utf-8")
    files = {name: (path.parent / name).read_text(encoding="utf-8") for name in lookup_files(text)}
    return compile_mapping(text, str(path), schema, converters=converters, files=files)


class Owned:
    """A mapping behind the posting triggers: what another connection owns is left out, counted with its reason (S50)."""

    def __init__(self, mapping: CompiledMapping, connection: Connection, company: Company) -> None:
        self.version = mapping.version
        self.drift = mapping.drift
        self.types_seen = mapping.types_seen
        self._mapping = mapping
        self._mine = {connection.name, connection.id}
        self._owner_of = company.owner_of

    def run(
        self,
        records: Sequence[Mapping[str, Any]],
        context: MapContext,
        *,
        keys: Sequence[tuple[str, str]] | None = None,
    ) -> MapResult:
        result = self._mapping.run(records, context, keys=keys)
        owners = [self._owner_of(line.type, line.channel) for line in result.lines]
        mine = [owner is None or owner in self._mine for owner in owners]
        if all(mine):
            return result
        skipped = list(result.skipped)
        for line, record, owner, is_mine in zip(result.lines, result.records, owners, mine, strict=True):
            if not is_mine and line.head:
                skipped.append(Skipped(record, f"{line.type} is owned by {owner}", line.type))
        return replace(
            result,
            lines=[line for line, is_mine in zip(result.lines, mine, strict=True) if is_mine],
            records=[record for record, is_mine in zip(result.records, mine, strict=True) if is_mine],
            recorded=None
            if result.recorded is None
            else [at for at, is_mine in zip(result.recorded, mine, strict=True) if is_mine],
            skipped=skipped,
        )


class Intake:
    """Pulls a company's streams. Sources and compiled mappings are made once."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._sources: dict[str, Source] = {}
        self._mappings: dict[Path, CompiledMapping] = {}

    def pull(
        self,
        run: str,
        *,
        connection: str | None = None,
        stream: str | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> list[Pulled]:
        """Every stream of records, or the named ones. One that fails stops nobody else."""
        out = []
        for chosen in self.desk.sources():
            if connection is not None and connection not in (chosen.name, chosen.id):
                continue
            for configured in chosen.streams:
                if configured.kind != "stock" and configured.mapping is not None and stream in (None, configured.name):
                    out.append(self._pull(chosen, configured, run, progress))
        if not out and (connection or stream):
            raise ConfigError(
                f"no stream {connection or '*'}/{stream or '*'}", code="TO1010", fix="see tieout config show"
            )
        self.desk.reload_masters()
        return out

    def _pull(self, chosen: Connection, configured: Configured, run: str, progress: Callable[[str], None]) -> Pulled:
        name = f"{chosen.name}/{configured.name}"
        try:
            source = self.source(chosen)
            declared = self._stream(source, configured.name)
            result = pull_stream(
                self.desk.store,
                self.desk.pulling,
                chosen.id,
                source,
                declared,
                mapper=self.mapper(chosen, configured, declared),
                until=self.desk.now(),
                run=run,
                missing_cursor="refuse" if configured.missing_cursor == "refuse" else "beginning",
                progress=lambda so_far: _say(progress, name, so_far),
            )
        except (VendorError, PluginError) as error:
            return Pulled(chosen.name, configured.name, PullResult(source=name, held=error.message), error)
        return Pulled(chosen.name, configured.name, result, None)

    def source(self, connection: Connection) -> Source:
        source = self._sources.get(connection.id)
        if source is None:
            source = self._sources[connection.id] = self.desk.source(connection)
        return source

    def mapper(self, connection: Connection, configured: Configured, declared: Stream) -> CompiledMapping | Owned:
        """The stream's mapping, behind the company's posting triggers where it has any."""
        mapping = self.mapping(configured, declared)
        company = self.desk.company
        return Owned(mapping, connection, company) if company.triggers else mapping

    def mapping(self, configured: Configured, declared: Stream) -> CompiledMapping:
        path = configured.mapping
        if path is None:
            raise ConfigError(f"stream {configured.name} has no mapping", code="TO1010")
        found = self._mappings.get(path)
        if found is None:
            converters, _ = self.desk.project.plugins.named("tieout_converters")
            found = self._mappings[path] = load_mapping(path, declared.schema, converters)
            with self.desk.store.write() as tx:
                keep_version(tx, self.desk.id, "mapping", found.version, path.read_text(encoding="utf-8"))
        return found

    def _stream(self, source: Source, name: str) -> Stream:
        for declared in source.streams():
            if declared.name == name:
                return declared
        raise ConfigError(f"the connector offers no stream {name!r}", code="TO1010", fix="see tieout plugin show")

    # ── retries ────────────────────────────────────────────────────────────────────────────────────────────────────
    def retry(self, numbers: Iterable[int] | None) -> RetryResult:
        """Exceptions of the pull stage once more, from the landed bytes, with today's mapping and masters."""
        return retry(
            self.desk.store,
            self.desk.id,
            self.lander,
            actor=self.desk.actor,
            numbers=numbers,
            decode=self.decode,
        )

    def lander(self, source: str, run: str = "retry") -> Lander:
        """What lands records of `connection id/stream` today."""
        connection, _, stream = source.partition("/")
        chosen = self._by_id(connection)
        declared = self._stream(self.source(chosen), stream)
        mapper = self.mapper(chosen, chosen.stream(stream), declared)
        return make_lander(self.desk.pulling, chosen.id, declared, mapper, run)

    def _by_id(self, number: str) -> Connection:
        for chosen in self.desk.sources():
            if chosen.id == number:
                return chosen
        raise ConfigError(f"no connection has the id {number!r} any more", code="TO1010", fix="put it back to retry")

    def decode(self, source: str, body: bytes, codec: str) -> Sequence[Mapping[str, Any]]:
        """Records of a page whose codec is the connector's own."""
        connection, _, stream = source.partition("/")
        made: Any = self.source(self._by_id(connection))
        records: Sequence[Mapping[str, Any]] = made.decode(stream, body, codec)
        return records


def _say(progress: Callable[[str], None], name: str, so_far: PullResult) -> None:
    if so_far.counts["records"]:
        progress(f"{name}: {so_far.counts['records']:,} records")


def pull_answer(company: str, pulled: Sequence[Pulled]) -> list[dict[str, Any]]:
    """The `--json` rows of a pull."""
    rows = []
    for one in pulled:
        counts = one.result.counts
        note = one.result.held or "; ".join(one.result.notes)
        rows.append(
            {
                "company": company,
                "connection": one.connection,
                "stream": one.stream,
                "records": counts["records"],
                "duplicates": counts["duplicates"],
                "late_revisions": counts["late_revisions"],
                "events": one.result.events,
                "skipped": one.result.skipped.total(),
                "exceptions": len(one.result.exceptions),
                "note": note,
            }
        )
    return rows
