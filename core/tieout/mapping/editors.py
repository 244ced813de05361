"""JSON Schema of mapping files, for completion and checking in editors; the checker knows more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tieout.mapping.converters import CONVERTERS
from tieout.mapping.read_events import BLOCK_KEYS, EVENT_KEYS, SKIP_KEYS
from tieout.mapping.read_file import KEYS, NEEDED, TEST_KEYS
from tieout.mapping.read_values import OPERATORS, VERBS
from tieout.model.catalogue import EVENT_TYPES

Schema = dict[str, Any]
_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean"]}


def schema_for_editors() -> Schema:
    """The schema of a whole mapping file (draft 2020-12)."""
    texts = dict.fromkeys(("mapping", "stream", "record", "timezone", "time_of_day"), _TEXT)
    known = {
        **texts,
        "version": {"type": ["string", "integer"]},
        "nulls": _list(_TEXT),
        "defaults": _fields(),
        "lookups": {"type": "object"},
        "skip": _one_or_more("skip"),
        "events": _list(_ref("event")),
        "tests": _list(_object(TEST_KEYS, {"name": _TEXT}, ("name", "record"))),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tieout mapping",
        **_object(KEYS, known, NEEDED),
        "$defs": _parts(),
    }


def _parts() -> Schema:
    convert = _one_or_more("converter")
    tail = {"convert": convert, "lookup": _TEXT, "default": _SCALAR}
    paths = {"anyOf": [_TEXT, _list(_TEXT)]}
    spec = _object(
        VERBS,
        {
            **tail,
            "from": paths,
            "const": _SCALAR,
            "required": _FLAG,
            "cases": _list(_ref("case")),
            "event": {"type": "object"},
        },
    )
    block = {
        "each": _TEXT,
        "id": _ref("value"),
        "when": _ref("condition"),
        "skip": _one_or_more("skip"),
        "fields": _fields(),
    }
    event = {**block, "type": {"enum": list(EVENT_TYPES)}, "role": _TEXT, "lines": _one_or_more("block")}
    combined = {"all": _list(_ref("condition")), "any": _list(_ref("condition")), "not": _ref("condition")}
    return {
        "value": {"anyOf": [_TEXT, _ref("spec")]},
        "spec": spec,
        "case": {**spec, "properties": {**spec["properties"], "when": _ref("condition")}},
        "skip": _object(SKIP_KEYS, {"when": _ref("condition"), "reason": _TEXT}, SKIP_KEYS),
        "block": _object(BLOCK_KEYS, block, ("fields",)),
        "event": _object(EVENT_KEYS, event, ("type", "fields")),
        "converter": {"anyOf": [{"enum": list(CONVERTERS)}, {"type": "object", "maxProperties": 1}, _TEXT]},
        "condition": _object((*OPERATORS, "from", *tail, *combined), {**tail, **combined, "from": paths}),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_or_more(name: str) -> Schema:
    return {"anyOf": [_ref(name), _list(_ref(name))]}


def _fields() -> Schema:
    return {"type": "object", "additionalProperties": _ref("value")}


def _object(keys: Sequence[str], known: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    properties = {key: known.get(key, {}) for key in keys}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
