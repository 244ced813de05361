"""Secrets by reference: a configuration says where a secret is kept, never what it is.

`env:NAME` reads an environment variable, `file:PATH` a file (relative to the project folder), `keyring:SERVICE/USER`
the system's key store. The value is fetched when it is used and kept nowhere: not in the configuration, a log, a `repr`.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from tieout.errors import ConfigError
from tieout.logs import hide

SECRET_LENGTH_MAX = 65_536
REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|keyring:[^/]+/.+)")
_SECRET_NAME = re.compile(
    r"(^|[_-])(token|secret|password|passwd|passphrase|pwd|credentials?|api_?key|access_?key|private_?key|signing_?key)$",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE)


class Secret:
    """A reference to a secret: the type of a field in a connector's config model. Call `get()` at the moment of use."""

    __slots__ = ("_root", "reference")

    def __init__(self, reference: str, root: Path | None = None) -> None:
        if not REFERENCE.fullmatch(reference):
            raise ValueError("a secret is given by reference: env:NAME, file:PATH or keyring:SERVICE/USER")
        self.reference = reference
        self._root = root

    def get(self) -> str:
        """The secret itself; ConfigError TO1076 when it is not where the reference says."""
        kind, _, name = self.reference.partition(":")
        value = {"env": _from_env, "file": self._from_file, "keyring": _from_keyring}[kind](name)
        if not value:
            raise _absent(self.reference, "it is empty")
        return hide(value)

    def _from_file(self, name: str) -> str:
        path = (self._root or Path()) / Path(name).expanduser()
        try:
            with path.open(encoding="utf-8") as file:
                value = file.read(SECRET_LENGTH_MAX + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise _absent(self.reference, str(error)) from None
        if len(value) > SECRET_LENGTH_MAX:
            raise _absent(self.reference, f"the file is longer than {SECRET_LENGTH_MAX} characters")
        return value.rstrip("\r\n")

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.reference),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{REFERENCE.pattern}$", "title": "Reference to a secret"}

    @classmethod
    def _validate(cls, value: Any, info: core_schema.ValidationInfo) -> Secret:
        if isinstance(value, Secret):
            return value
        root = info.context.get("root") if isinstance(info.context, dict) else None
        try:
            return cls(value if isinstance(value, str) else "", root)
        except ValueError as error:
            raise PydanticCustomError("literal_secret", "{message}", {"message": str(error)}) from None


def is_reference(text: str) -> bool:
    """Whether a text says where a secret is, rather than what it is."""
    return REFERENCE.fullmatch(text) is not None


def looks_secret(key: str, value: str) -> bool:
    """Whether a key's name or a URL with a password in it says that this text is a secret written out."""
    if not value or is_reference(value):
        return False
    return bool(_SECRET_NAME.search(key) or _URL_PASSWORD.search(value))


def without_password(text: str) -> str:
    """A URL fit to be printed."""
    return re.sub(r"(://[^/\s:@]*):[^/\s@]+@", r"\1:***@", text)


def _from_env(name: str) -> str:
    if name not in os.environ:
        raise _absent(f"env:{name}", f"the environment variable {name} is not set")
    return os.environ[name]


def _from_keyring(name: str) -> str:
    service, _, user = name.partition("/")
    try:
        keyring = import_module("keyring")
    except ModuleNotFoundError:
        raise ConfigError(
            f"keyring:{name} needs the keyring package", code="TO1076", fix="pip install 'tieout[keyring]'"
        ) from None
    value: str | None = keyring.get_password(service, user)
    if value is None:
        raise _absent(f"keyring:{name}", f"the key store has no entry for {service}, user {user}")
    return value


def _absent(reference: str, why: str) -> ConfigError:
    return ConfigError(
        f"the secret {reference} cannot be read: {why}",
        code="TO1076",
        fix="put the secret there, or change the reference in tieout.toml",
    )
