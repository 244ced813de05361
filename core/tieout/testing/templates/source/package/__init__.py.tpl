"""The `$name` connector: a source for tieout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tieout import Source, hookimpl

from $module.source import $cls

__all__ = ["$cls"]


@hookimpl
def tieout_connector() -> type[Source]:
    return $cls


@hookimpl
def tieout_mappings() -> Sequence[Path]:
    return [Path(__file__).parent / "mappings"]
