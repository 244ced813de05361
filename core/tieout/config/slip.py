"""Slips: what is wrong in a project's files, each with its place, why it matters and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, NamedTuple

from tieout.config.positions import Path as KeyPath
from tieout.config.positions import Positions

Level = Literal["error", "warning"]
SHOWN_MAX = 8


class Slip(NamedTuple):
    """One slip. `connection`: set when it stops only that connection; everything else goes on."""

    code: str
    level: Level
    file: str
    line: int
    column: int
    what: str
    why: str
    fix: str
    nearest: str = ""
    connection: str = ""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        tail = f"; fix: {self.fix}" if self.fix else ""
        return f"{self.where}: {self.level} {self.code} {self.what}: {self.why}{tail}"

    def as_dict(self) -> dict[str, object]:
        """JSON-ready, for `tieout check --json`."""
        return {"where": self.where, **self._asdict()}


class Slips:
    """Collects every slip of one TOML file and of the files it names.

    `refused` holds the places whose values were left out or replaced by a stand-in: what follows from a stand-in is not
    a slip of its own (`spoilt`).
    """

    def __init__(self, file: str, positions: Positions | None = None) -> None:
        self.file = file
        self.positions = positions
        self.found: list[Slip] = []
        self.refused: set[KeyPath] = set()

    def spoilt(self, path: KeyPath) -> bool:
        """Whether something at or below a place was refused."""
        return any(refused[: len(path)] == path for refused in self.refused)

    def add(
        self,
        code: str,
        path: KeyPath,
        what: str,
        why: str,
        fix: str = "",
        *,
        key: bool = False,
        nearest: str | None = None,
        level: Level = "error",
        connection: str = "",
    ) -> None:
        """A slip at a path of the TOML file: at its value, or at the key itself with `key=True`.

        `nearest` is the name that was probably meant; it makes the fix when no other is given.
        """
        place = self.positions.find(path) if self.positions else None
        line, column = (1, 1) if place is None else (place[0], place[1]) if key else (place[2], place[3])
        fix = f"did you mean {nearest!r}?" if nearest else fix
        self.found.append(Slip(code, level, self.file, line, column, what, why, fix, nearest or "", connection))

    def at(
        self,
        where: str,
        code: str,
        what: str,
        why: str,
        fix: str = "",
        *,
        nearest: str | None = None,
        level: Level = "error",
    ) -> None:
        """A slip at a ready place, `file:line:column`."""
        file, line, column = where.rsplit(":", 2)
        fix = f"did you mean {nearest!r}?" if nearest else fix
        self.found.append(Slip(code, level, file, int(line), int(column), what, why, fix, nearest or ""))

    def sorted(self) -> list[Slip]:
        """Each slip once, this file first, in the order of its lines."""
        unique = {(slip.where, slip.code, slip.what): slip for slip in reversed(self.found)}
        return sorted(unique.values(), key=lambda s: (s.file != self.file, s.file, s.line, s.column, s.code, s.what))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    close = get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def choices(known: Iterable[str]) -> str:
    """The names there are, as a fix for when none is near."""
    names = sorted(known)
    if not names:
        return "there is none to name yet"
    return f"one of: {', '.join(names[:SHOWN_MAX])}{', …' if len(names) > SHOWN_MAX else ''}"
