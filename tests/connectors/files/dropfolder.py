"""Helpers for the tests of the files connector: a project folder, a connection, one pull."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tieout import Context, Page
from tieout_files import FilesSource
from tieout_files.config import FilesConfig

NOW = datetime(2025, 4, 1, 12, tzinfo=UTC)
Record = dict[str, Any]


def files(root: Path, *streams: dict[str, Any], **more: Any) -> FilesSource:
    config = FilesConfig.model_validate({"streams": list(streams), **more})
    return FilesSource(
        Context(connection="shop", company="main", currency="USD", config=config, root=root, now=lambda: NOW)
    )


def put(path: Path, content: str | bytes, *, old: bool = True) -> Path:
    """Writes a file; `old`: as if nobody had touched it for a while."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if old:
        age(path)
    return path


def age(path: Path, seconds: int = 3600) -> None:
    then = time.time_ns() - seconds * 10**9 + path.stat().st_size  # another size gives another time
    os.utime(path, ns=(then, then))


def pull(source: FilesSource, cursor: str | None = None, stream: str = "lines") -> tuple[list[Record], str, list[Page]]:
    """Records, the last cursor, and the pages."""
    pages = list(source.pull(stream, cursor, NOW))
    return [dict(r) for p in pages for r in p.records], pages[-1].cursor, pages


def good(records: Sequence[Record]) -> list[Record]:
    return [r for r in records if "$error" not in r]


def errors(records: Sequence[Record]) -> list[tuple[str, int]]:
    return [(r["$error"]["code"], r["$error"]["line"]) for r in records if "$error" in r]
