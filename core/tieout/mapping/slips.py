"""A slip: one thing wrong in a mapping file, where it stands, why it matters, and the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Slip(msgspec.Struct, frozen=True):
    """One finding of the checker. `line`, `column` count from 1; `nearest` is a right name close to the wrong one."""

    file: str
    line: int
    column: int
    code: str
    what: str
    why: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        why = f" ({self.why})" if self.why else ""
        return f"{self.file}:{self.line}:{self.column}: {self.code} {self.what}{why}{hint}"


def nearest(wrong: str, names: Iterable[str]) -> str:
    """The name closest to a wrong one, ignoring case; a last part that is equal counts too (`qty` for `order.qty`)."""
    right = list(names)
    folded = {name.lower(): name for name in right}
    if wrong.lower() in folded:
        return folded[wrong.lower()]
    close = difflib.get_close_matches(wrong.lower(), folded, n=1, cutoff=0.6)  # ratio
    if close:
        return folded[close[0]]
    tails = [name for name in right if name.rpartition(".")[2].lower() == wrong.rpartition(".")[2].lower()]
    return min(tails, key=len) if tails else ""
