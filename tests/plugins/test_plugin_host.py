"""Guarantee 6 for plugins: a bad one never stops a good one. Real distributions, written to a folder and imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tieout.errors import PluginError
from tieout.plugins import Plugins

CONNECTOR = """
    from pydantic import BaseModel, ConfigDict
    from tieout.connector import Manifest, Stream
    from tieout.hookspecs import hookimpl

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid")
        folder: str

    class Thing:
        manifest = Manifest(
            name="{name}", vendor="Test", version="1.0", roles=("source",), config=Config,
            api_version={api}, streams=(Stream(name="moves", key=("id",)),),
        )
        def __init__(self, context): self.context = context
        def check(self): return []
        def streams(self): return self.manifest.streams
        def pull(self, stream, cursor, until): return iter(())
        def stock(self, as_of): return None

    @hookimpl
    def tieout_connector():
        return Thing
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Write a distribution (module + dist-info with an entry point) and put it on the path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def install(
        name: str,
        source: str,
        *,
        group: str = "tieout.connectors",
        point: str | None = None,
        version: str = "1.2.3",
    ) -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(dedent(source))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{point or module} = {module}\n")

    yield install
    for module in set(sys.modules) - before:
        if module.startswith("probe_"):
            del sys.modules[module]


def connector(name: str, api: int = 1) -> str:
    return CONNECTOR.replace("{name}", name).replace("{api}", str(api))


def test_a_connector_in_its_own_distribution_is_found_and_usable(install: Install) -> None:
    install("probe-good", connector("good"), point="good")
    plugins = Plugins.load()
    assert plugins.connectors["good"].manifest.vendor == "Test"
    assert plugins.connector("good") is plugins.connectors["good"]
    row = next(row for row in plugins.describe() if row["name"] == "good")
    assert row["distribution"] == "probe-good"
    assert row["version"] == "1.2.3"
    assert row["state"] == "loaded"
    assert row["hooks"] == ["tieout_connector"]
    assert row["connector"]["roles"] == ["source"]
    assert row["connector"]["streams"][0]["revision"] == "last_landed_wins"
    assert row["connector"]["config"]["properties"]["folder"] == {"title": "Folder", "type": "string"}


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("import no_such_module_anywhere", "TO9002", "no_such_module_anywhere"),
        ("raise RuntimeError('boom at import')", "TO9002", "boom at import"),
        ("import sys\nsys.exit(3)", "TO9002", "SystemExit: 3"),
        ("def broken(:\n", "TO9002", "SyntaxError"),
        (connector("bad", api=2), "TO9003", "plugin API 2; this tieout offers 1"),
        (connector("bad", api=0), "TO9003", "plugin API 0; this tieout offers 1"),
        ("x = 1", "TO9007", "implements no hook"),
        (connector("bad").replace("def stock", "def stocks"), "TO9007", "role source needs stock"),
        (connector("bad").replace('roles=("source",)', "roles=()"), "TO9007", "roles is empty"),
        (connector("Bad Name"), "TO9007", "connector name 'Bad Name'"),
        (connector("bad").replace("return Thing", "return Thing(None)"), "TO9007", "must return a class"),
        (connector("bad").replace("return Thing", "raise KeyError('k')"), "TO9007", "tieout_connector raised KeyError"),
        (connector("bad").replace("tieout_connector()", "tieout_connector(extra)"), "TO9007", "extra"),
        (connector("bad") + "\n    @hookimpl\n    def tieout_no_such_hook(): ...\n", "TO9007", "tieout_no_such_hook"),
        (
            connector("bad") + "\n    @hookimpl(wrapper=True)\n    def tieout_converters(): yield\n",
            "TO9007",
            "wrappers",
        ),
    ],
)
def test_a_broken_plugin_is_recorded_and_the_good_one_still_loads(
    install: Install, source: str, code: str, said: str
) -> None:
    install("probe-bad", source, point="bad", version="0.9")
    install("probe-good", connector("good"), point="good")
    plugins = Plugins.load()
    assert "good" in plugins.connectors
    (broken,) = [b for b in plugins.broken if b.plugin.distribution == "probe-bad"]
    assert (broken.code, broken.plugin.version, broken.plugin.name) == (code, "0.9", "bad")
    assert said in broken.error
    assert broken.fix
    with pytest.raises(PluginError, match=r"probe-bad 0\.9") as caught:
        plugins.connector("bad")
    assert caught.value.code == code
    row = next(row for row in plugins.describe() if row["name"] == "bad")
    assert row["state"] == "broken"
    # nothing of it stays registered
    assert all("probe-bad" not in name for name, _ in plugins._manager.list_name_plugin())


def test_the_place_in_the_plugins_own_code_is_named(install: Install, tmp_path: Path) -> None:
    install("probe-bad", "\n\nraise RuntimeError('boom')", point="bad")
    (broken,) = [b for b in Plugins.load().broken if b.plugin.distribution == "probe-bad"]
    assert broken.trace[-1] == f"{tmp_path / 'probe_bad.py'}:3 in <module>"


def test_two_connectors_of_one_name_are_both_reported_and_neither_is_used(install: Install) -> None:
    install("probe-a", connector("twin"), point="twin")
    install("probe-b", connector("twin"), point="twin")
    plugins = Plugins.load()
    assert "twin" not in plugins.connectors
    assert {b.plugin.distribution for b in plugins.broken if b.code == "TO9004"} == {"probe-a", "probe-b"}
    with pytest.raises(PluginError, match="neither is used"):
        plugins.connector("twin")
    chosen = Plugins.load(allow=["probe_a"])
    assert chosen.connectors["twin"].__module__ == "probe_a"


def test_a_third_claimant_of_a_name_is_refused_as_well(install: Install) -> None:
    for letter in "abc":
        install(f"probe-{letter}", connector("twin"), point="twin")
    plugins = Plugins.load()
    assert "twin" not in plugins.connectors
    assert len([b for b in plugins.broken if b.code == "TO9004"]) == 3


def test_a_plugin_off_the_allow_list_is_not_even_imported(install: Install) -> None:
    install("probe-good", connector("good"), point="good")
    install("probe-bomb", "raise RuntimeError('imported')", point="bomb")
    plugins = Plugins.load(allow=["good"])
    assert set(plugins.connectors) == {"good"}
    assert "probe_bomb" not in sys.modules
    assert "bomb" in {plugin.name for plugin in plugins.skipped}
    assert {row["state"] for row in plugins.describe() if row["name"] == "bomb"} == {"not allowed"}
    with pytest.raises(PluginError, match="not on the project's list") as caught:
        plugins.connector("bomb")
    assert caught.value.code == "TO9006"


def test_a_connector_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(PluginError, match=r"pip install .* tieout-nowhere") as caught:
        Plugins.of().connector("nowhere")
    assert caught.value.code == "TO9005"


HOOKS = """
    from tieout.hookspecs import hookimpl

    @hookimpl
    def tieout_notify(subject, body, data):
        {notify}

    @hookimpl
    def tieout_converters():
        return {converters}
"""


def hooks(notify: str, converters: str) -> str:
    return HOOKS.replace("{notify}", notify).replace("{converters}", converters)


def test_a_hook_that_raises_is_reported_by_plugin_and_hook_and_the_others_are_asked(install: Install) -> None:
    group = "tieout.plugins"
    install("probe-angry", hooks("raise ValueError('no mail today')", "{'trim': str.strip}"), group=group)
    install("probe-calm", hooks("data.append(subject)", "{'upper': str.upper}"), group=group)
    plugins = Plugins.load(allow=["probe-angry", "probe-calm"])
    heard: list[str] = []
    answers = plugins.call("tieout_notify", subject="late", body="", data=heard)
    assert heard == ["late"]
    (failed,) = [answer for answer in answers if answer.error]
    assert failed.error is not None
    assert failed.error.code == "TO9010"
    assert "probe-angry" in failed.error.message
    assert "tieout_notify" in failed.error.message
    assert "no mail today" in failed.error.message
    assert failed.error.data["hook"] == "tieout_notify"
    converters, errors = plugins.named("tieout_converters")
    assert (sorted(converters), errors) == (["trim", "upper"], [])


def test_a_name_claimed_by_two_plugins_goes_to_neither(install: Install) -> None:
    group = "tieout.plugins"
    install("probe-one", hooks("pass", "{'trim': str.strip, 'own': str.lower}"), group=group)
    install("probe-two", hooks("pass", "{'trim': str.rstrip}"), group=group)
    install("probe-three", hooks("pass", "['trim']"), group=group)
    converters, errors = Plugins.load(allow=["probe-one", "probe-two", "probe-three"]).named("tieout_converters")
    assert sorted(converters) == ["own"]
    assert sorted("both provide 'trim'" in error.message for error in errors) == [False, True]
    assert any("not a mapping" in error.message for error in errors)
