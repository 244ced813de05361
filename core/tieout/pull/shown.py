"""What the mapped fields of a stream looked like so far, to notice when a vendor changes one that the mapping could still read.

A page that shows a field once as before has not drifted, and is looked at no further: the rule is about whole pages. Kept per mapping version with the stream's cursor; what a person let through (`release`) is judged no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from tieout.mapping import Drifted
from tieout.mapping.drift import observed
from tieout.mapping.paths import parse_path

Record = Mapping[str, Any]
LOOK_RECORDS = 50
ALWAYS_RECORDS_MIN = 20  # a field that so many records had, and every one, is missed when a whole page lacks it


class Seen(Protocol):
    """A mapping that knows its source paths."""

    version: str

    def types_seen(self, records: Sequence[Record]) -> Mapping[str, frozenset[str]]: ...


class Shown:
    """`types`: path → JSON types seen, null aside. `always`: paths whose first name every record had. `free`: not judged."""

    def __init__(self, mapper: Seen, kept: Mapping[str, Any] | None) -> None:
        self.mapper = mapper
        known = kept if kept is not None and kept["mapping"] == mapper.version else {}
        self.types: dict[str, frozenset[str]] = {path: frozenset(seen) for path, seen in known.get("types", {}).items()}
        self.always: set[str] = set(known.get("always", ()))
        self.free: set[str] = set(known.get("free", ()))
        self.records: int = known.get("records", 0)

    def kept(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "mapping": self.mapper.version,
            "types": {path: sorted(seen) for path, seen in self.types.items()},
            "always": sorted(self.always),
            "free": sorted(self.free),
            "records": self.records,
        }

    def judge(self, records: Sequence[Record]) -> list[Drifted]:
        """What is no more as it was, on a whole page; where nothing is, the page is learned from."""
        readable = [one for one in records if "$error" not in one] if "$error" in records[0] else records
        if not readable:
            return []
        first = self.mapper.types_seen(readable[:1])
        doubtful = [path for path, seen in self.types.items() if not first.get(path, frozenset()) & seen]
        drifted = [one for path in doubtful for one in self._look(path, readable)]
        if not drifted and (self.records < ALWAYS_RECORDS_MIN or first.keys() - self.types.keys() - self.free):
            self._learn(readable, self.mapper.types_seen(readable))
        return drifted

    def _look(self, path: str, records: Sequence[Record]) -> Iterator[Drifted]:
        """Through the page as far as the first value of a type known before."""
        before, compiled, levels = self.types[path], parse_path(path), path.count("[*]")
        now: set[str] = set()
        for start in range(0, len(records), LOOK_RECORDS):
            now |= observed(compiled.column(records[start : start + LOOK_RECORDS]), levels) - {"null"}
            if now & before:
                return
        if now:
            yield Drifted(path, "retyped", "TO2202", before, frozenset(now))
        elif path in self.always and self.records >= ALWAYS_RECORDS_MIN and _name(path) not in set().union(*records):
            yield Drifted(path, "missing", "TO2201", before, frozenset())

    def _learn(self, records: Sequence[Record], found: Mapping[str, frozenset[str]]) -> None:
        had = {path for path in found if all(_name(path) in one for one in records)} - self.free
        self.always = self.always & had | (
            {path for path in had if path not in self.types} if not self.records else set()
        )
        for path, seen in found.items():
            if path not in self.free:
                self.types[path] = self.types.get(path, frozenset()) | seen
        self.records += len(records)


def _name(path: str) -> str:
    """The first name of a path: the field of the record it leads through."""
    return path.split(".", 1)[0].split("[", 1)[0].strip('"')
