"""The `harbour` connector: a source for tieout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tieout import Source, hookimpl

from tieout_harbour.source import Harbour

__all__ = ["Harbour"]


@hookimpl
def tieout_connector() -> type[Source]:
    return Harbour


@hookimpl
def tieout_mappings() -> Sequence[Path]:
    return [Path(__file__).parent / "mappings"]
