"""Files that a configuration names."""

from __future__ import annotations

from pathlib import Path

from tieout.config.positions import Path as KeyPath
from tieout.config.slip import Slips, nearest


def is_file(path: Path) -> bool:
    """Whether there is such a file; False as well for a name the system cannot hold."""
    try:
        return path.is_file()
    except OSError:
        return False


def missing_file(slips: Slips, where: KeyPath, file: Path, root: Path, why: str) -> None:
    """A file that is named and is not there; the nearest one in its folder is suggested."""
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    found = nearest(file.name, _beside(file))
    near = shown[: len(shown) - len(file.name)] + found if found else None
    slips.add("TO1014", where, f"no file {shown!r}", why, "make it, or correct the path", nearest=near)


def _beside(file: Path) -> list[str]:
    try:
        return [other.name for other in file.parent.iterdir() if other.is_file()]
    except (OSError, ValueError):
        return []
