"""Which files a stream has, in reading order, and never one outside the allowed folders."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

from tieout import Fatal
from tieout_files.config import FileConfig

_WILD = frozenset("*?[")


class Found(NamedTuple):
    """A file: its name (relative to the project where it lies inside), and what the file system says of it."""

    name: str
    path: Path
    size: int
    mtime: int


def find_files(config: FileConfig, root: Path, folders: tuple[Path, ...], order: str = "name") -> list[Found]:
    """Files of `path`, ordered by name or by time of change. Fatal TO3161 (nothing there) or TO3162 (outside)."""
    pattern = Path(config.path)
    base = root
    if pattern.is_absolute():
        base = next((f for f in folders if pattern.is_relative_to(f)), Path(pattern.anchor))
        if base == Path(pattern.anchor) and base not in folders:
            raise _outside(config.path)
        pattern = pattern.relative_to(base)
    parts = pattern.parts
    plain = 0
    while plain < len(parts) and not _WILD & set(parts[plain]):
        plain += 1
    fixed = base.joinpath(*parts[:plain])
    if not fixed.exists():
        raise _absent(config.path, fixed)
    if plain == len(parts):
        paths = [fixed]
    else:
        paths = [p for p in fixed.glob(str(Path(*parts[plain:]))) if p.is_file() and not p.name.startswith((".", "~$"))]
    allowed = [root.resolve(), *(f.resolve() for f in folders)]
    found = []
    for path in paths:
        real = path.resolve()
        if not any(real.is_relative_to(a) for a in allowed):
            raise _outside(str(path))
        stat = real.stat()
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
        found.append(Found(name, real, stat.st_size, stat.st_mtime_ns))
    return sorted(found, key=(lambda f: (f.mtime, f.name)) if order == "mtime" else (lambda f: (0, f.name)))


def _absent(stated: str, path: Path) -> Fatal:
    folder, missing = path.parent, path.name
    while not folder.exists():
        folder, missing = folder.parent, folder.name
    here = sorted(p.name for p in folder.iterdir())
    near = difflib.get_close_matches(missing, here, n=3) or here[:5]
    listed = f"nearest names in {folder.name or folder}: {', '.join(near)}" if near else f"{folder.name} is empty"
    return Fatal(f"{stated}: {missing!r} does not exist", code="TO3161", where=stated, fix=listed)


def _outside(path: str) -> Fatal:
    fix = "keep the files below the project folder, or list their absolute folder in `folders`"
    return Fatal(f"{path} is outside the project folder", code="TO3162", where=path, fix=fix)
