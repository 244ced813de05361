"""What the kits for sources and ledgers share: the bench of a test, the words of a failure, and the checks of any connector."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import httpx

from tieout.config.secret import Secret, looks_secret
from tieout.connector import API_VERSION, Finding, Manifest
from tieout.errors import TieoutError, VendorError
from tieout.hookspecs import hookimpl
from tieout.plugins import Plugins
from tieout.testing.bench import LOOPBACK, Bench

DOWN: Final = ("unreachable", "timeout_before", "error_before", "html", "empty", "expired_token", "throttled_long")


def require(holds: object, otherwise: str) -> None:
    """Fail the test in words, whether or not asserts are rewritten."""
    if not holds:
        raise AssertionError(otherwise)


def not_declared(what: str) -> NoReturn:
    """This check is for something the connector does not say it can."""
    import pytest

    pytest.skip(what)


class Conformance:
    """Base of both kits. Each test begins on a fresh bench with a fresh vendor."""

    currency: ClassVar[str] = "USD"

    # ── for the author ─────────────────────────────────────────────────────────────────────────────────────────────
    def vendor(self, bench: Bench) -> Any:
        """What stands for the vendor, with `transport` (an httpx transport) where the connector makes calls.

        It is made anew for each test; it should take its time from `bench.clock` where time matters.
        """
        return None

    def connector(self, bench: Bench) -> Any:
        """The connector, made with `bench.context(Class, config)`. Called again, it is the same connection after a restart."""
        raise NotImplementedError

    # ── the ground ─────────────────────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def bench(self, folder: Path) -> Iterator[Bench]:
        """A bench that is watched; what was let out is looked at when the test is over."""
        bench = Bench(folder, self.currency)
        bench.vendor = self.vendor(bench)
        bench.connect(getattr(bench.vendor, "transport", None))
        with bench.watching():
            yield bench
        self._kept_to_itself(bench)

    def made(self, bench: Bench) -> Any:
        """The connector as after a start of the process."""
        return self.connector(bench)

    def manifest_of(self, bench: Bench) -> Manifest:
        found: Manifest = self.made(bench).manifest
        return found

    def _kept_to_itself(self, bench: Bench) -> None:
        """After every test: where the connector went, and what it let out."""
        watch = bench.watch
        require(not watch.printed.getvalue(), f"it printed to stdout: {watch.printed.getvalue()[:200]!r}")
        require(not watch.slept_really, "it called time.sleep; waiting is the framework's (context.now, Http)")
        said = "\n".join(watch.logged)
        for canary in bench.canaries():
            require(canary not in said, "a secret of the connection is in its log")
            where = [call.url for call in bench.tap.calls if canary in call.url]
            require(not where, "a secret of the connection is in the address of a request")
        strangers = {call.host for call in bench.tap.calls if not _allowed(call.host, bench.hosts)}
        require(not strangers, f"it asked hosts that its manifest does not declare: {sorted(strangers)}")
        require(not watch.around, f"it went around context.http, to {sorted(set(watch.around))}")

    @contextmanager
    def failing_well(self, bench: Bench, what: str) -> Iterator[list[VendorError]]:
        """Whatever is raised inside must be one of ours and give no secret away."""
        caught: list[VendorError] = []
        try:
            yield caught
        except VendorError as error:
            caught.append(error)
            self.no_canary(bench, error, f"the error of {what}")
        except TieoutError as error:
            self.no_canary(bench, error, f"the error of {what}")
            raise AssertionError(f"{what} raised {type(error).__name__}; a connector raises VendorErrors") from error
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"{what} raised {type(error).__name__}, which nobody can act on: {error}") from error

    def no_canary(self, bench: Bench, thing: object, where: str) -> None:
        text = f"{thing} {thing!r}"
        if isinstance(thing, BaseException):
            text += "".join(traceback.format_exception(thing)) + repr(getattr(thing, "data", ""))
        for canary in bench.canaries():
            require(canary not in text, f"a secret of the connection is in {where}")

    @staticmethod
    def makes_calls(manifest: Manifest) -> bool:
        return bool(manifest.hosts)

    def calling(self, bench: Bench) -> None:
        """Leave the test where the connector reaches no host."""
        if not self.makes_calls(self.manifest_of(bench)):
            not_declared("the manifest declares no hosts")

    # ── checks of any connector ────────────────────────────────────────────────────────────────────────────────────
    def test_the_manifest_is_complete(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            manifest = self.manifest_of(bench)
            for name in ("name", "vendor", "version"):
                require(getattr(manifest, name), f"manifest.{name} is empty")
            require(manifest.api_version == API_VERSION, f"made for plugin API {manifest.api_version}")
            require(manifest.roles, "manifest.roles is empty")
            names = [stream.name for stream in manifest.streams]
            require(len(names) == len(set(names)), f"two streams have one name: {names}")
            for host in manifest.hosts:
                require("/" not in host and ":" not in host and host != "*", f"{host!r} is not the name of a host")

    def test_the_plugin_host_takes_it(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            made = type(self.made(bench))

            class Point:
                @staticmethod
                @hookimpl
                def tieout_connector() -> Any:
                    return made

            plugins = Plugins.of(under_test=Point)
            require(not plugins.broken, "; ".join(each.error for each in plugins.broken))

    def test_the_config_model_is_strict_and_keeps_secrets_by_reference(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            model = self.manifest_of(bench).config
            require(model.model_config.get("extra") == "forbid", "the config model must forbid what it does not know")
            require(model.model_json_schema().get("type") == "object", "the config model has no JSON Schema")
            for name, field in model.model_fields.items():
                plain = field.annotation is not Secret and looks_secret(name, "x")
                require(not plain, f"config field {name!r} sounds like a secret and is not a tieout.Secret")

    def test_check_answers_findings(self, tmp_path: Path) -> None:
        with self.bench(tmp_path) as bench:
            findings = self._checked(bench)
            wrong = [f"{f.what} ({f.fix})" for f in findings if f.level == "error"]
            require(not wrong, f"check() finds errors at a vendor that is well: {wrong}")

    def test_check_names_what_is_wrong_and_never_raises(self, tmp_path: Path) -> None:
        for fault in DOWN:
            folder = tmp_path / fault
            folder.mkdir()
            with self.bench(folder) as bench:
                self.calling(bench)
                connector = self.made(bench)
                bench.tap.hits = None
                bench.tap.spoil_all(fault)
                findings = self._checked(bench, connector)
                require(
                    any(f.level == "error" for f in findings),
                    f"check() finds nothing wrong while {fault} is all it gets",
                )

    def _checked(self, bench: Bench, connector: Any = None) -> Sequence[Finding]:
        try:
            findings: Sequence[Finding] = (connector or self.made(bench)).check()
        except Exception as error:
            raise AssertionError(f"check() raised {type(error).__name__}: {error}; it answers findings") from error
        for each in findings:
            require(isinstance(each, Finding), f"check() answered {each!r}, not a Finding")
            require(each.level in ("ok", "warning", "error") and each.what, f"not a finding: {each!r}")
            self.no_canary(bench, each, "a finding")
        return findings


def _allowed(host: str, hosts: Sequence[str]) -> bool:
    return host in LOOPBACK or any(
        host.endswith(each[1:]) and host != each[2:] if each.startswith("*.") else host == each for each in hosts
    )


def floats_in(value: Any, where: str = "") -> list[str]:
    """Places of binary fractions in a record."""
    if isinstance(value, float):
        return [where or "it"]
    if isinstance(value, Mapping):
        return [found for name, inner in value.items() for found in floats_in(inner, f"{where}.{name}".lstrip("."))]
    if isinstance(value, (list, tuple)):
        return [found for n, inner in enumerate(value) for found in floats_in(inner, f"{where}[{n}]")]
    return []


def strange_in(value: Any) -> list[str]:
    """Types in a record that JSON does not have."""
    if isinstance(value, Mapping):
        return [found for inner in value.values() for found in strange_in(inner)]
    if isinstance(value, (list, tuple)):
        return [found for inner in value for found in strange_in(inner)]
    plain = value is None or isinstance(value, (str, int, bool, Decimal, float))
    return [] if plain else [type(value).__name__]


_EXACT: Final = re.compile(r"-?\d+(\.\d+)?")


def is_exact(text: object) -> bool:
    """Whether a quantity is exact decimal text."""
    return isinstance(text, str) and _EXACT.fullmatch(text) is not None


def is_aware(moment: datetime | None) -> bool:
    return moment is None or moment.utcoffset() is not None


def is_write(request: httpx.Request) -> bool:
    """A call with effect, as most vendors have it; a kit class says otherwise where its vendor does."""
    return request.method in ("POST", "PUT", "PATCH", "DELETE")
