"""A complete small project, and two connectors that exist to be configured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from tieout.config import Secret
from tieout.connector import Capabilities, Manifest, Stream
from tieout.hookspecs import hookimpl
from tieout.plugins import Plugins

TOML = (Path(__file__).parent / "acme.toml").read_text(encoding="utf-8")

ACCOUNTS = """\
role,account,item,category,reason,location,channel,party_group,effective
cogs,5020,,toys,,,,,
cogs,5021,,toys,,,,,2026-07-01
cogs,5030,SKU-9,,,,,,
inventory,1401,,toys,,,,,
rollout_clearing,1490,,,,,,,
ppv,5300,,,,,,,
"""

CHART = """\
code,name,type,vendor_type,currency,active
1400,Inventory,asset,Other Current Asset,EUR,yes
1401,Inventory toys,asset,Other Current Asset,EUR,yes
1410,Transit,asset,,,
1490,Rollout clearing,asset,,,
1000,House bank,asset,Bank,EUR,yes
1500,Old stock,asset,,,no
2100,Goods received not invoiced,liability,,,
4000,Sales,income,,,
5000,Cost of sales,expense,,,
5010,Cost of sales web,expense,,,
5020,Cost of sales toys,expense,,,
5021,Cost of sales toys new,expense,,,
5030,Cost of sales nine,expense,,,
5200,Shrinkage,expense,,,
5210,Damage,expense,,,
5300,Price variance,expense,,,
"""

MAPPING = """\
mapping: moves
version: "1"
stream: moves
events:
  - type: purchase.received
  - type: order.fulfilled
  - type: transfer.dispatched
  - type: stock.adjusted
"""


class ProbeConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    folder: str
    token: Secret
    speed: Literal["slow", "fast"] = "slow"
    retries: int = 3


class Probe:
    manifest = Manifest(
        name="probe",
        vendor="Probe",
        version="1",
        roles=("source",),
        config=ProbeConfig,
        streams=(Stream(name="moves", key=("id",)), Stream(name="stock", key=("id",), kind="stock")),
    )

    def __init__(self, context: Any) -> None:
        self.context = context

    def check(self) -> list[Any]:
        return []

    streams = pull = stock = check


class ScribeConfig(BaseModel):  # ignores what it does not know: the framework must not
    path: str


class Scribe(Probe):
    manifest = Manifest(
        name="scribe", vendor="Scribe", version="1", roles=("ledger",), config=ScribeConfig, capabilities=Capabilities()
    )
    accounts = locked_through = render = deliver = find = balances = entries = Probe.check


class StreamyStream(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    path: str


class StreamyConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    streams: tuple[StreamyStream, ...]


class Streamy(Probe):
    manifest = Manifest(name="streamy", vendor="S", version="1", roles=("source",), config=StreamyConfig)


def module(connector: type) -> SimpleNamespace:
    @hookimpl
    def tieout_connector() -> type:
        return connector

    return SimpleNamespace(tieout_connector=tieout_connector)


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    host = Plugins.of(probe=module(Probe), scribe=module(Scribe), streamy=module(Streamy))
    assert not host.broken
    return host


Edit = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Edit:
    """Write the project, with `old → new` replacements per file, and give its folder."""

    def write(*edits: tuple[str, str], **files: tuple[str, str]) -> Path:
        texts = {"tieout.toml": TOML, "accounts.csv": ACCOUNTS, "chart.csv": CHART, "moves.yaml": MAPPING}
        texts["items.csv"] = "sku\n"
        for old, new in edits:
            assert old in texts["tieout.toml"], old
            texts["tieout.toml"] = texts["tieout.toml"].replace(old, new, 1)
        for stem, (old, new) in files.items():
            name = next(name for name in texts if name.startswith(stem + "."))
            assert old in texts[name], old
            texts[name] = texts[name].replace(old, new, 1)
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write
