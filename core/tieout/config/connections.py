"""Connections: find the connector, check its part of the configuration with positions, resolve mapping files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tieout.config.files import is_file, missing_file
from tieout.config.form import form_slips, keys_of, unknown_key
from tieout.config.positions import Path as KeyPath
from tieout.config.project import Connection, Role, Stream
from tieout.config.reading import Draft
from tieout.config.slip import Slips, choices, nearest
from tieout.config.tables import ConnectionTable, FileTable, StreamTable
from tieout.connector import Connector, Manifest
from tieout.errors import PluginError
from tieout.plugins import Plugins

SHIPPED = "shipped:"
SHIPPED_ACCOUNTS = "accounts_"


@dataclass(frozen=True)
class Shipped:
    """Ready-made files that came with tieout or a plugin, by name."""

    mappings: Mapping[str, Path]
    accounts: Mapping[str, Path]
    errors: tuple[PluginError, ...] = ()

    @classmethod
    def find(cls, plugins: Plugins) -> Shipped:
        """Look into `tieout_mappings` and every folder that a plugin names with the hook `tieout_mappings`."""
        folders = _own_folder()
        answers = plugins.call("tieout_mappings")
        for answer in answers:
            folders += [Path(folder) for folder in answer.value or ()]
        mappings: dict[str, Path] = {}
        accounts: dict[str, Path] = {}
        for folder in reversed(folders):
            for file in sorted(folder.rglob("*.yaml")):
                mappings[file.relative_to(folder).with_suffix("").as_posix()] = file
            for file in sorted(folder.rglob(f"{SHIPPED_ACCOUNTS}*.csv")):
                accounts[file.stem.removeprefix(SHIPPED_ACCOUNTS)] = file
        return cls(mappings, accounts, tuple(answer.error for answer in answers if answer.error is not None))


def build_connections(draft: Draft, table: FileTable, plugins: Plugins, shipped: Shipped) -> dict[str, Connection]:
    """Every connection, with its slips noted. One whose connector did not load keeps the error instead."""
    slips = draft.slips
    _check_ids(table, slips)
    return {
        name: _Builder(name, connection, draft, plugins, shipped).build(_company_of(name, connection, table, slips))
        for name, connection in table.connections.items()
    }


def _own_folder() -> list[Path]:
    try:
        import tieout_mappings
    except ModuleNotFoundError:
        return []
    return [Path(folder) for folder in tieout_mappings.__path__]


def _check_ids(table: FileTable, slips: Slips) -> None:
    seen: dict[str, str] = {}
    for name, connection in table.connections.items():
        first = seen.setdefault(connection.id, name)
        if first != name and connection.id != "?":
            why = "the id is part of the identity of every event: two systems with one id would swallow each other's events"
            slips.add(
                "TO1012",
                ("connections", name, "id"),
                f"connection {name!r} has the same id as {first!r}",
                why,
                f'give the newer one an id of its own, such as id = "{name}"',
            )


def _company_of(name: str, connection: ConnectionTable, table: FileTable, slips: Slips) -> str:
    if connection.company is None:
        if len(table.companies) == 1:
            return next(iter(table.companies))
        why = "with several companies each connection must say whose books its events enter"
        slips.add(
            "TO1073", ("connections", name, "company"), f"connection {name!r} has no company", why, "add company = …"
        )
        return ""
    if connection.company not in table.companies:
        slips.add(
            "TO1010",
            ("connections", name, "company"),
            f"no company {connection.company!r}",
            "its events would belong to nobody's books",
            choices(table.companies),
            nearest=nearest(connection.company, table.companies),
        )
    return connection.company


class _Builder:
    """Builds one connection."""

    def __init__(self, name: str, table: ConnectionTable, draft: Draft, plugins: Plugins, shipped: Shipped) -> None:
        self.name = name
        self.table = table
        self.slips = draft.slips
        self.root = draft.root
        self.path: KeyPath = ("connections", name)
        self.raw: dict[str, Any] = _dict(_dict(draft.raw.get("connections")).get(name))
        self.plugins = plugins
        self.shipped = shipped

    def build(self, company: str) -> Connection:
        table = self.table
        connector, error = self._connector()
        roles: tuple[Role, ...] = table.roles or ()
        kinds: dict[str, str] = {}
        config = None
        if connector is not None:
            roles = self._roles(connector.manifest)
            kinds = self._stream_kinds(connector.manifest)
            config = self._config(connector.manifest)
        return Connection(
            name=self.name,
            id=table.id,
            connector=table.connector,
            company=company,
            owner=table.owner,
            roles=roles,
            streams=tuple(self._streams(kinds, known=connector is not None)),
            error=error,
            _class=connector,
            _config=config,
        )

    def _connector(self) -> tuple[Connector | None, PluginError | None]:
        name = self.table.connector
        try:
            return self.plugins.connector(name), None
        except PluginError as error:
            if name != "?":
                near = nearest(name, self.plugins.connectors) if error.code == "TO9005" else None
                why = f"the streams of connection {self.name!r} stop; everything else goes on"
                fix = error.fix or ""
                where = (*self.path, "connector")
                self.slips.add("TO1013", where, error.message, why, fix, nearest=near, connection=self.name)
            return None, error

    def _roles(self, manifest: Manifest) -> tuple[Role, ...]:
        for index, role in enumerate(self.table.roles or ()):
            if role not in manifest.roles:
                why = "the connector does not offer it"
                where = (*self.path, "roles", index)
                fix = f"roles = {list(manifest.roles)}"
                self.slips.add("TO1018", where, f"{manifest.name} is no {role}", why, fix)
        return self.table.roles or manifest.roles

    def _stream_kinds(self, manifest: Manifest) -> dict[str, str]:
        """Kinds of the streams; a name the connector does not offer is a slip (it may leave all names to the config)."""
        offered: dict[str, str] = {stream.name: stream.kind for stream in manifest.streams}
        for index, stream in enumerate(self.table.streams):
            if offered and stream.name not in offered:
                where = (*self.path, "streams", index, "name")
                near = nearest(stream.name, offered)
                why = f"{manifest.name} does not offer it, so nothing would be pulled"
                self.slips.add("TO1019", where, f"no stream {stream.name!r}", why, choices(offered), nearest=near)
                self.slips.refused.add(where)
        return offered

    def _config(self, manifest: Manifest) -> BaseModel | None:
        """The connector's own keys through its own model. Streams are handed over only if the model has them."""
        model = manifest.config
        own = {key: value for key, value in self.raw.items() if key not in ConnectionTable.model_fields}
        own_streams = "streams" in model.model_fields
        if own_streams:
            own["streams"] = [
                {
                    key: value
                    for key, value in _dict(stream).items()
                    if key == "name" or key not in StreamTable.model_fields
                }
                for stream in _list(self.raw.get("streams"))
            ]
        self._refuse_unread(model, own, own_streams)
        try:
            return model.model_validate(own, context={"root": self.root})
        except ValidationError as error:
            form_slips(error, model, own, self.path, self.slips)
            return None

    def _refuse_unread(self, model: type[BaseModel], own: Mapping[str, Any], own_streams: bool) -> None:
        """Keys that a model without `extra="forbid"` would drop in silence, and stream keys that nobody takes."""
        if model.model_config.get("extra", "ignore") == "ignore":
            known = [*keys_of(model, ()), *ConnectionTable.model_fields]
            for key in own:
                if key not in known:
                    unknown_key(self.slips, (*self.path, key), known)
        if not own_streams:
            for index, stream in enumerate(_list(self.raw.get("streams"))):
                for key in _dict(stream):
                    if key not in StreamTable.model_fields:
                        unknown_key(self.slips, (*self.path, "streams", index, key), StreamTable.model_fields)

    def _streams(self, kinds: Mapping[str, str], *, known: bool) -> Iterable[Stream]:
        seen: set[str] = set()
        for index, stream in enumerate(self.table.streams):
            path = (*self.path, "streams", index)
            if stream.name in seen:
                why = "the name is part of every event's identity"
                self.slips.add("TO1012", (*path, "name"), f"stream {stream.name!r} is there twice", why, "rename one")
            seen.add(stream.name)
            kind = kinds.get(stream.name) or str((stream.model_extra or {}).get("kind", "records"))
            mapping = self._mapping(stream, path)
            if known and stream.mapping is None and kind == "records":
                why = "its records would land and never become events"
                fix = 'mapping = "FILE.yaml" or "shipped:NAME"'
                self.slips.add("TO1073", path, f"stream {stream.name!r} has no mapping", why, fix)
            yield Stream(stream.name, mapping, stream.missing_cursor, stream.sla, None, kind)

    def _mapping(self, stream: StreamTable, path: KeyPath) -> Path | None:
        if stream.mapping is None:
            return None
        where = (*path, "mapping")
        why = f"the records of stream {stream.name!r} could not become events"
        if stream.mapping.startswith(SHIPPED):
            name = stream.mapping.removeprefix(SHIPPED)
            if name in self.shipped.mappings:
                return self.shipped.mappings[name]
            near = nearest(name, self.shipped.mappings)
            fix = choices(self.shipped.mappings)
            self.slips.add("TO1011", where, f"no shipped mapping {name!r}", why, fix, nearest=near and SHIPPED + near)
            return None
        file = self.root / stream.mapping
        if is_file(file):
            return file
        missing_file(self.slips, where, file, self.root, why)
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
