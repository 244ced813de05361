"""Personal data never lands: the paths a stream declares become keyed pseudonyms before anything is hashed or stored.

The same value under the same key gives the same pseudonym, so two orders of one customer still belong together. The key
is a file per company; destroy it and no pseudonym can be tied to a person again. Values cannot be read back by anybody.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import b32encode
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from tieout.errors import ConfigError
from tieout.mapping.paths import parse_path
from tieout.pull.canonical import encode_value

KEY_BYTES = 32
MARK = "psn-"


def company_key(folder: FilePath, company: str, *, create: bool = True) -> bytes:
    """The pseudonym key of a company, `COMPANY.key`, readable by its owner only; made on first use.

    Raises ConfigError TO3110 when it was destroyed or is not a key: a new key would give the same person a second
    pseudonym without anybody noticing, so making one again is a person's decision (delete the `.destroyed` mark).
    """
    path = folder / f"{company}.key"
    if path.exists():
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise ConfigError(f"{path} is not a key of {KEY_BYTES} bytes", code="TO3110", where=str(path))
        return key
    if not create or path.with_suffix(".destroyed").exists():
        raise ConfigError(
            f"the pseudonym key of {company} is gone",
            code="TO3110",
            where=str(path),
            fix="restore the key file, or remove the .destroyed mark to begin with new pseudonyms",
        )
    folder.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, key)
        os.fsync(handle)
    finally:
        os.close(handle)
    return key


def destroy_key(folder: FilePath, company: str) -> None:
    """Overwrite and remove a company's key, leaving a mark that it was meant. The caller records the act."""
    path = folder / f"{company}.key"
    path.with_suffix(".destroyed").touch()
    if path.exists():
        path.write_bytes(bytes(KEY_BYTES))
        path.unlink()


class Pseudonyms:
    """Replaces the values at declared paths. Paths are those of mapping files: `customer.email`, `notes[*].author`."""

    def __init__(self, key: bytes, paths: Sequence[str]) -> None:
        self._key = key
        self._paths = [_steps(path) for path in paths]

    def of(self, value: Any) -> str:
        """The pseudonym of a value."""
        text = value.encode() if isinstance(value, str) else encode_value(value)
        return MARK + b32encode(hmac.new(self._key, text, hashlib.sha256).digest()[:15]).decode().lower()

    def replace(self, records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """New records without personal values. Of an unreadable record nothing but the reason remains."""
        return [self._record(record) for record in records]

    def _record(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$error" in record:
            error = {name: value for name, value in record["$error"].items() if name in ("code", "message", "fix")}
            if "raw" in record["$error"]:
                error["raw"] = self.of(str(record["$error"]["raw"]))
            return {"$error": error}
        out: Any = record
        for steps in self._paths:
            out = self._at(out, steps)
        replaced: Mapping[str, Any] = out
        return replaced

    def _at(self, value: Any, steps: Sequence[str]) -> Any:
        """A copy of `value` in which what `steps` lead to is a pseudonym; only what lies on the way is copied."""
        if value is None:
            return None
        if not steps:
            return value if isinstance(value, str) and value.startswith(MARK) else self.of(value)
        step, rest = steps[0], steps[1:]
        if step in ("[]", "*"):
            if isinstance(value, list):
                return [self._at(member, rest) for member in value]
            if isinstance(value, dict) and step == "*":
                return {name: self._at(member, rest) for name, member in value.items()}
            return value
        if isinstance(value, Mapping) and step in value:
            return {**value, step: self._at(value[step], rest)}
        return value


def _steps(path: str) -> tuple[str, ...]:
    compiled = parse_path(path)
    if compiled.up or compiled.index or any(step.op not in ("field", "all", "values") for step in compiled.steps):
        raise ConfigError(
            f"personal path {path!r}: names, [*] and * only, so that no element is left out", code="TO3110", where=path
        )
    return compiled.schema_names
