"""How far each file of a stream has been read, as the JSON text that the framework keeps between pulls."""

from __future__ import annotations

import msgspec

from tieout import Fatal

FILES_MAX = 10_000  # files remembered per stream; the longest unseen are forgotten first


class FileState(msgspec.Struct, array_like=True, frozen=True):
    """`read` bytes of content with hash `sha` are done. `whole`: hash of the content when its end was reached, else empty.

    `size` and `mtime` (nanoseconds) are the file's own, so that an unchanged file is not opened again.
    """

    size: int
    mtime: int
    read: int = 0
    sha: str = ""
    whole: str = ""


class Cursor(msgspec.Struct):
    """`joins`: fingerprint of the joined files; when they change, every file is read again."""

    files: dict[str, FileState] = {}
    joins: str = ""
    v: int = 1

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    def put(self, name: str, state: FileState) -> None:
        self.files.pop(name, None)
        self.files[name] = state

    def forget(self, present: set[str]) -> None:
        """Drops vanished files beyond the bound, oldest first."""
        excess = len(self.files) - FILES_MAX
        for name in [n for n in self.files if n not in present][: max(excess, 0)]:
            del self.files[name]


def read_cursor(text: str | None, stream: str) -> Cursor:
    if text is None:
        return Cursor()
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.DecodeError as error:
        raise Fatal(
            f"the cursor of stream {stream!r} is not readable: {error}",
            code="TO3170",
            fix="reset the stream's cursor; everything is read again and duplicates are dropped",
        ) from None
    if cursor.v != 1:
        fix = "upgrade tieout-files, or reset the stream's cursor"
        raise Fatal(f"the cursor of stream {stream!r} has version {cursor.v}, known is 1", code="TO3170", fix=fix)
    return cursor
