"""Reads a project's feeds through the files connector and its shipped mappings, without a store."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import tieout_mappings
from tieout.connector import Context
from tieout.mapping import MapContext, compile_mapping
from tieout.model.event import EventLine
from tieout_files import FilesSource


class Landed:
    """What the feeds of a project become: event lines, and records by stream, skipped by reason, failed by field."""

    def __init__(self) -> None:
        self.lines: list[EventLine] = []
        self.records: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.failed: list[Any] = []

    @property
    def events(self) -> Counter[str]:
        """Distinct events by type."""
        seen = {line.event_id: line.type for line in self.lines}
        return Counter(seen.values())


def read_project(folder: Path, wanted: tuple[str, ...] = ()) -> Landed:
    config = tomllib.loads((folder / "tieout.toml").read_text(encoding="utf-8"))
    company = config["companies"]["main"]
    name, connection = next((k, v) for k, v in config["connections"].items() if v["connector"] == "files")
    streams = [dict(stream) for stream in connection["streams"]]
    mappings = {stream["name"]: stream.pop("mapping", None) for stream in streams}
    settings = FilesSource.manifest.config.model_validate(
        {"streams": streams, "folders": connection.get("folders", ())}
    )
    now = datetime(2026, 6, 1, tzinfo=UTC)
    context = Context(
        connection=name, company="main", currency=company["currency"], config=settings, root=folder, now=lambda: now
    )
    source, landed = FilesSource(context), Landed()
    for stream in streams:
        title = stream["name"]
        if mappings[title] is None or (wanted and title not in wanted):
            continue
        path = tieout_mappings.FOLDER / f"{mappings[title].removeprefix('shipped:')}.yaml"
        mapping = compile_mapping(path.read_text(encoding="utf-8"), path.name)
        declared = next(s for s in source.streams() if s.name == title)
        for page in source.pull(title, None, now):
            where = MapContext(
                company="main",
                connection=name,
                stream=title,
                currency=company["currency"],
                key=declared.key,
                timezone=company["timezone"],
            )
            result = mapping.run(page.records, where)
            landed.records[title] += len(page.records)
            landed.lines += result.lines
            landed.skipped.update(skip.reason for skip in result.skipped)
            landed.failed += result.failed
    return landed


@pytest.fixture
def landed() -> Callable[..., Landed]:
    return read_project
