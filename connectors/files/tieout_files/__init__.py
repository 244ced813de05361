"""The `files` connector: CSV, TSV, JSON Lines and Excel files, gzipped or not, from a project folder. A source."""

from __future__ import annotations

from tieout import Source, hookimpl
from tieout_files.source import FilesSource

__all__ = ["FilesSource"]


@hookimpl
def tieout_connector() -> type[Source]:
    return FilesSource
