"""The plugin host: finds installed plugins, loads them one by one, and keeps a broken one from stopping the others.

A plugin is a distribution with an entry point in the group `tieout.connectors` (one connector) or `tieout.plugins`
(everything else on the page `hookspecs.py`). What fails to import, asks for another plugin API, or breaks its contract
is recorded in `broken` with its distribution, version and place, and raised only when something configured needs it.
A hook that raises is reported under the plugin's and the hook's name; the other plugins are still asked.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any, NamedTuple

import pluggy
from pydantic import BaseModel

from tieout import hookspecs
from tieout.connector import API_VERSION, Connector, Ledger, Manifest, Source
from tieout.errors import PluginError

CONNECTORS = "tieout.connectors"
PLUGINS = "tieout.plugins"
FRAMES_MAX = 3
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_DUTIES = {
    role: tuple(name for name, member in vars(protocol).items() if callable(member) and not name.startswith("_"))
    for role, protocol in (("source", Source), ("ledger", Ledger))
}


@dataclass(frozen=True)
class Plugin:
    """One entry point that was found. `module` is what it names; None when it did not load."""

    name: str
    group: str
    distribution: str
    version: str
    module: Any = None


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be used: which, why, where in its own code, and what to do."""

    plugin: Plugin
    code: str
    error: str
    fix: str
    trace: tuple[str, ...] = ()

    def as_error(self) -> PluginError:
        """The same as an exception, for the moment something needs the plugin."""
        return PluginError(
            f"plugin {self.plugin.name!r} of {self.plugin.distribution} {self.plugin.version}: {self.error}",
            code=self.code,
            where=self.trace[-1] if self.trace else f"entry point {self.plugin.group}: {self.plugin.name}",
            fix=self.fix,
        )


class Answer(NamedTuple):
    """What one plugin answered to a hook: a value, or the error it raised."""

    plugin: str
    value: Any
    error: PluginError | None = None


class Plugins:
    """The plugins of this process. Build it with `load()` (what is installed) or `of(name=module)` (given modules)."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: list[Plugin] = []
        self.broken: list[Broken] = []
        self.skipped: list[Plugin] = []
        self.connectors: dict[str, Connector] = {}
        self._origin: dict[str, Plugin] = {}

    @classmethod
    def load(cls, allow: Iterable[str] | None = None) -> Plugins:
        """Every installed plugin, or only those whose entry point or distribution `allow` names.

        A plugin that is not allowed is not even imported; it is listed in `skipped`.
        """
        self = cls()
        names = None if allow is None else {_normal(name) for name in allow}
        found = [*entry_points(group=CONNECTORS), *entry_points(group=PLUGINS)]
        for point in sorted(found, key=lambda p: (p.group, p.name, _distribution(p))):
            plugin = Plugin(point.name, point.group, _distribution(point), point.dist.version if point.dist else "")
            if names is not None and not names & {_normal(plugin.name), _normal(plugin.distribution)}:
                self.skipped.append(plugin)
            else:
                self._admit(plugin, point.load)
        return self

    @classmethod
    def of(cls, **modules: Any) -> Plugins:
        """A host with exactly these modules or objects, by plugin name, without looking at what is installed."""
        self = cls()
        for name, module in modules.items():
            group = CONNECTORS if hasattr(module, "tieout_connector") else PLUGINS
            self._admit(Plugin(name, group, "given", "0"), lambda module=module: module)  # type: ignore[misc]
        return self

    def add(self, name: str, module: Any) -> None:
        """A plugin that comes with tieout and that the configuration asks for."""
        self._admit(Plugin(name, PLUGINS, "tieout", version("tieout")), lambda: module)

    @property
    def hook(self) -> Any:
        """pluggy's relay, for callers that want a plugin's error to reach them. Isolation: `call`."""
        return self._manager.hook

    def connector(self, name: str) -> Connector:
        """The connector class of this name; PluginError, with the reason it did not load, when there is none."""
        if name in self.connectors:
            return self.connectors[name]
        for broken in self.broken:
            if name in (broken.plugin.name, broken.plugin.distribution.removeprefix("tieout-")):
                raise broken.as_error()
        if any(plugin.name == name for plugin in self.skipped):
            raise PluginError(
                f"connector {name!r} is installed but not on the project's list of allowed plugins",
                code="TO9006",
                fix=f'add "{name}" to `plugins` under [project] in tieout.toml',
            )
        raise PluginError(
            f"no connector {name!r} is installed (there are: {', '.join(sorted(self.connectors)) or 'none'})",
            code="TO9005",
            fix=f"pip install the distribution that provides it, usually tieout-{name}",
        )

    def call(self, hook: str, **arguments: Any) -> list[Answer]:
        """Ask every plugin, one by one. One that raises answers with an error; the rest are asked all the same."""
        answers = []
        for impl in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                value = impl.function(*(arguments[name] for name in impl.argnames))
            except Exception as error:  # noqa: BLE001  (whatever a plugin raises is its own; the caller decides)
                answers.append(Answer(impl.plugin_name, None, self._hook_error(impl.plugin_name, hook, error)))
            else:
                answers.append(Answer(impl.plugin_name, value))
        return answers

    def named(self, hook: str) -> tuple[dict[str, Any], list[PluginError]]:
        """For hooks that answer with name → thing: all of them together, and what was wrong.

        A name that two plugins claim is given to neither: which one would win must not depend on the order of loading.
        """
        things: dict[str, Any] = {}
        owners: dict[str, list[str]] = {}
        errors = []
        for answer in self.call(hook):
            if answer.error is not None:
                errors.append(answer.error)
            elif not isinstance(answer.value, Mapping):
                errors.append(_contract(answer.plugin, hook, f"answered {type(answer.value).__name__}, not a mapping"))
            else:
                for name, thing in answer.value.items():
                    owners.setdefault(name, []).append(answer.plugin)
                    things[name] = thing
        for name, plugins in owners.items():
            if len(plugins) > 1:
                del things[name]
                errors.append(_contract(" and ".join(sorted(plugins)), hook, f"both provide {name!r}; neither is used"))
        return things, errors

    def describe(self) -> list[dict[str, Any]]:
        """One JSON-ready row per plugin found: loaded, broken (with error and fix) or not allowed."""
        rows = [self._row(plugin) for plugin in self.loaded]
        rows += [
            {
                **_identity(b.plugin),
                "state": "broken",
                "code": b.code,
                "error": b.error,
                "fix": b.fix,
                "trace": list(b.trace),
            }
            for b in self.broken
        ]
        rows += [{**_identity(plugin), "state": "not allowed"} for plugin in self.skipped]
        return sorted(rows, key=lambda row: (row["name"], row["distribution"]))

    def _admit(self, plugin: Plugin, load: Callable[[], Any]) -> None:
        try:
            module = load()
        except (Exception, SystemExit) as error:  # noqa: BLE001  (importing a plugin runs any code at all)
            missing = isinstance(error, ModuleNotFoundError)
            fix = "install what it misses, or upgrade or uninstall it" if missing else "upgrade or uninstall it"
            self._record(plugin, "TO9002", f"{type(error).__name__}: {error}", fix, _trace(error))
            return
        try:
            self._register(Plugin(plugin.name, plugin.group, plugin.distribution, plugin.version, module))
        except PluginError as error:
            self._record(plugin, error.code, error.message, error.fix or "", tuple(error.data.get("trace", ())))

    def _register(self, plugin: Plugin) -> None:
        _check_api(getattr(plugin.module, "TIEOUT_API", API_VERSION))
        _check_hooks(plugin)
        connector = None
        if plugin.group == CONNECTORS or hasattr(plugin.module, "tieout_connector"):
            connector = _connector_of(plugin.module)
            name = connector.manifest.name
            if name in self._origin:
                self._refuse_twice(name, plugin)
            self._origin[name] = plugin
            self.connectors[name] = connector
        self._manager.register(plugin.module, name=f"{plugin.distribution}:{plugin.group}:{plugin.name}")
        self.loaded.append(plugin)

    def _refuse_twice(self, name: str, second: Plugin) -> None:
        first = self._origin[name]
        fix = f"uninstall one of {first.distribution} and {second.distribution}, or allow only one in [project] plugins"
        if self.connectors.pop(name, None) is not None:
            self._manager.unregister(first.module)
            self.loaded.remove(first)
            self._record(
                first, "TO9004", f"connector {name!r} also comes from {second.distribution}; neither is used", fix
            )
        raise PluginError(
            f"connector {name!r} also comes from {first.distribution}; neither is used", code="TO9004", fix=fix
        )

    def _record(self, plugin: Plugin, code: str, error: str, fix: str, trace: tuple[str, ...] = ()) -> None:
        self.broken.append(Broken(plugin, code, error, fix, trace))

    def _hook_error(self, plugin: str, hook: str, error: Exception) -> PluginError:
        return PluginError(
            f"plugin {plugin} failed in hook {hook}: {type(error).__name__}: {error}",
            code="TO9010",
            where=next(reversed(_trace(error)), None),
            fix="upgrade or uninstall the plugin; the other plugins and the run go on",
            plugin=plugin,
            hook=hook,
        )

    def _row(self, plugin: Plugin) -> dict[str, Any]:
        row = {**_identity(plugin), "state": "loaded", "roles": [], "hooks": sorted(_hooks_of(plugin.module))}
        for name, origin in self._origin.items():
            if origin is plugin:
                row["connector"] = describe_manifest(self.connectors[name].manifest)
                row["roles"] = row["connector"]["roles"]
        return row


def describe_manifest(manifest: Manifest) -> dict[str, Any]:
    """A connector's declaration as JSON-ready data, its config as JSON Schema."""
    capabilities = manifest.capabilities
    return {
        "name": manifest.name,
        "vendor": manifest.vendor,
        "version": manifest.version,
        "api_version": manifest.api_version,
        "vendor_api": manifest.vendor_api,
        "roles": list(manifest.roles),
        "streams": [
            {
                "name": stream.name,
                "kind": stream.kind,
                "key": list(stream.key),
                "revision": stream.revision or "last_landed_wins",
                "deletes": stream.deletes,
                "lag_seconds": stream.lag_seconds,
            }
            for stream in manifest.streams
        ],
        "capabilities": None
        if capabilities is None
        else {
            "documents": list(capabilities.documents),
            "dimensions": list(capabilities.dimensions),
            "locks": capabilities.locks,
            "reverse": capabilities.reverse,
            "idempotency": capabilities.idempotency.kind,
            "lookup": capabilities.idempotency.lookup,
            "lines_max": capabilities.lines_max,
        },
        "hosts": list(manifest.hosts),
        "config": manifest.config.model_json_schema(),
    }


def _check_api(version: object) -> None:
    if version == API_VERSION:
        return
    newer = isinstance(version, int) and version > API_VERSION
    raise PluginError(
        f"made for plugin API {version}; this tieout offers {API_VERSION}",
        code="TO9003",
        fix="upgrade tieout" if newer else "upgrade the plugin",
    )


def _check_hooks(plugin: Plugin) -> None:
    """Register on a scratch manager, so that a plugin whose hooks do not fit leaves nothing behind in the real one."""
    scratch = pluggy.PluginManager(hookspecs.PROJECT)
    scratch.add_hookspecs(hookspecs)
    try:
        scratch.register(plugin.module, name=plugin.name)
        scratch.check_pending()
    except pluggy.PluginValidationError as error:
        raise _contract_error(str(error).replace("\n", " ")) from error
    hooks = _hooks_of(plugin.module)
    if not hooks:
        raise _contract_error("implements no hook; mark its functions with @tieout.hookimpl")
    for name in hooks:
        for impl in getattr(scratch.hook, name).get_hookimpls():
            if impl.wrapper or impl.hookwrapper:
                raise _contract_error(f"{name}: hook wrappers are not supported")


def _hooks_of(module: Any) -> list[str]:
    marker = f"{hookspecs.PROJECT}_impl"
    return [name for name in dir(module) if isinstance(getattr(getattr(module, name, None), marker, None), dict)]


def _connector_of(module: Any) -> Connector:
    connector: Any
    try:
        connector = module.tieout_connector()
    except Exception as error:
        raise PluginError(
            f"tieout_connector raised {type(error).__name__}: {error}",
            code="TO9007",
            fix="upgrade or uninstall the plugin",
            trace=_trace(error),
        ) from error
    manifest = getattr(connector, "manifest", None)
    if not isinstance(connector, type) or not isinstance(manifest, Manifest):
        raise _contract_error("tieout_connector must return a class with a `manifest` (tieout.Manifest)")
    _check_api(manifest.api_version)
    if not _NAME.fullmatch(manifest.name):
        raise _contract_error(f"connector name {manifest.name!r}: lower-case letters, digits, - and _ only")
    config: Any = manifest.config
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise _contract_error("manifest.config must be a pydantic model class")
    if not manifest.roles:
        raise _contract_error("manifest.roles is empty: source, ledger or both")
    for role in manifest.roles:
        missing = [name for name in _DUTIES[role] if not callable(getattr(connector, name, None))]
        if missing:
            raise _contract_error(f"role {role} needs {', '.join(missing)}")
    checked: Connector = connector
    return checked


def _contract_error(what: str) -> PluginError:
    return PluginError(what, code="TO9007", fix="upgrade the plugin or tell its author")


def _contract(plugin: str, hook: str, what: str) -> PluginError:
    return PluginError(f"plugin {plugin}, hook {hook}: {what}", code="TO9007", fix="upgrade or uninstall the plugin")


def _trace(error: BaseException) -> tuple[str, ...]:
    """The last frames, innermost last: enough for the author to find the line, short enough for a table."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-FRAMES_MAX:]]
    if isinstance(error, SyntaxError) and error.filename:
        places.append(f"{error.filename}:{error.lineno}")
    return tuple(places)


def _identity(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "entry_point": f"{plugin.group}: {plugin.name}",
        "distribution": plugin.distribution,
        "version": plugin.version,
    }


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
