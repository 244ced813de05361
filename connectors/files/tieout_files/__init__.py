"""The `files` connector: CSV, TSV, JSON Lines and Excel files, gzipped or not, from a project folder. A source."""

from __future__ import annotations

from tieout import Source, hookimpl
from tieout_files.codes import CODES
from tieout_files.config import FilesConfig, JoinConfig, StockConfig, StreamConfig
from tieout_files.source import Files

__all__ = ["CODES", "Files", "FilesConfig", "JoinConfig", "StockConfig", "StreamConfig", "tieout_connector"]


@hookimpl
def tieout_connector() -> type[Source]:
    return Files
