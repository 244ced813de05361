"""What can be said about the language and about one mapping: the generated reference, the editor schema, `explain`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tieout.mapping.compiled import CompiledMapping
from tieout.mapping.converters import CONVERTERS
from tieout.mapping.drift import full_path
from tieout.mapping.fields import WORDS, addresses, carried
from tieout.mapping.paths import Path
from tieout.mapping.read_events import BLOCK_KEYS, EVENT_KEYS, SKIP_KEYS
from tieout.mapping.read_file import KEYS, NEEDED, TEST_KEYS
from tieout.mapping.read_values import OPERATORS, VERBS
from tieout.mapping.spec import Value
from tieout.model.catalogue import EVENT_TYPES, PHASE_NOON_MAX, PHASE_START_OF_DAY_MAX


class Explained(msgspec.Struct, frozen=True):
    """One field of one event: where its value comes from and what is done to it on the way."""

    event: str
    field: str
    source: str
    verbs: str


def explain(mapping: CompiledMapping) -> list[Explained]:
    """Every field a mapping fills, in file order; the table of a running configuration."""
    out = []
    for event in mapping.spec.events:
        scope = [event.each] if event.each is not None else []
        for name, value in event.fields.items():
            out.append(Explained(event.label, name, *_source_and_verbs(value, scope)))
        for block in event.blocks:
            inner = [*scope, block.each] if block.each is not None else scope
            if block.id is not None:
                out.append(Explained(event.label, "lines.id", *_source_and_verbs(block.id, inner)))
            for name, value in block.fields.items():
                out.append(Explained(event.label, f"lines.{name}", *_source_and_verbs(value, inner)))
    return out


def explain_markdown(mapping: CompiledMapping) -> str:
    """`explain` as a Markdown page with the header and what is left out."""
    spec = mapping.spec
    lines = [
        f"# {spec.name} {spec.version}",
        "",
        f"Stream `{spec.stream}`: {spec.record}. Version `{mapping.version}`.",
        "",
    ]
    for skip in spec.skip:
        lines.append(f"- left out: {skip.reason}")
    lines += ["", "| event | field | from | how |", "|---|---|---|---|"]
    lines += [
        f"| {_cell(e.event)} | {_cell(e.field)} | {_cell(e.source)} | {_cell(e.verbs)} |" for e in explain(mapping)
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _source_and_verbs(value: Value, scope: list[Path]) -> tuple[str, str]:
    if value.identity is not None:
        parts = ", ".join(_source_and_verbs(part, scope)[0] for part in value.identity.transaction)
        source = f"event {value.identity.type} of {value.identity.stream or 'this stream'} ({parts})"
    elif value.cases:
        source = "; ".join(_case("else" if when is None else "case", inner, scope) for when, inner in value.cases)
    elif value.paths:
        source = ", else ".join(path.text if path.index else full_path(path, scope) for path in value.paths)
    else:
        source = f"const {value.const}" if value.const is not None else ""
    verbs = [name for name, _ in value.steps]
    if value.lookup is not None:
        verbs.append(f"lookup {value.lookup.name}")
    if value.default is not None:
        verbs.append(f"default {value.default}")
    if value.required:
        verbs.append("required")
    return source, ", ".join(verbs)


def _case(word: str, value: Value, scope: list[Path]) -> str:
    source, verbs = _source_and_verbs(value, scope)
    return f"{word} {source}" + (f" ({verbs})" if verbs else "")


def reference_markdown() -> str:
    """The generated part of `docs/mapping.md`: event types with their fields, words, converters."""
    lines = [
        "### Event types and their fields",
        "",
        "Needed fields are in bold. A date without a time is placed as said.",
        "",
    ]
    lines += ["| type | fields | lines | date only |", "|---|---|---|---|"]
    for name, spec in EVENT_TYPES.items():
        late = "noon" if spec.phase <= PHASE_NOON_MAX else "end of day"
        place = "start of day" if spec.phase <= PHASE_START_OF_DAY_MAX else late
        lines.append(f"| `{name}` | {_fields(name, line=False)} | {_fields(name, line=True)} | {place} |")
    lines += [
        "",
        "Every event may also carry `recorded_at`, `sequence`, `document`, `party`, `party_group`, `channel`,",
    ]
    lines += ["`reason`, `actor`, `memo`, `ref.*` and `dimensions.*`.", "", "### Fields with fixed words", ""]
    lines += [f"- `{name}`: {', '.join(f'`{word}`' for word in words)}" for name, words in WORDS.items()]
    lines += ["", "### Converters", "", "| name | the value … | such as |", "|---|---|---|"]
    for converter in CONVERTERS.values():
        lines.append(f"| `{converter.name}` | {converter.about} | `{converter.example}` |")
    return "\n".join(lines) + "\n"


_COMMON: Final = frozenset(
    {
        "recorded_at", "sequence", "document", "party", "party_group", "channel", "reason", "actor", "memo",
        "ref.event", "ref.document", "ref.line", "dimensions.NAME",
    }
)  # fmt: skip


def _fields(event_type: str, *, line: bool) -> str:
    _, needed = carried(event_type, line=line)
    shown = []
    for name in addresses(event_type, line=line):
        stem = name.partition(".")[0]
        if line or name not in _COMMON:
            shown.append(f"**{name}**" if stem in needed else name)
    return ", ".join(sorted(shown, key=lambda text: (not text.startswith("**"), text)))


def schema_for_editors() -> dict[str, Any]:
    """JSON Schema of mapping files, for completion and checking in editors; the checker knows more."""
    scalar = {"type": ["string", "number", "boolean"]}
    value: dict[str, Any] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/spec"}]}
    values = {"type": "object", "additionalProperties": {"$ref": "#/$defs/value"}}
    skips = {"anyOf": [{"$ref": "#/$defs/skip"}, {"type": "array", "items": {"$ref": "#/$defs/skip"}}]}
    condition = {"$ref": "#/$defs/condition"}
    paths = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    convert = {"anyOf": [{"$ref": "#/$defs/converter"}, {"type": "array", "items": {"$ref": "#/$defs/converter"}}]}
    tail = {"convert": convert, "lookup": {"type": "string"}, "default": scalar}
    spec = _object(
        VERBS,
        {
            **tail,
            "from": paths,
            "const": scalar,
            "required": {"type": "boolean"},
            "cases": {"type": "array", "items": {"$ref": "#/$defs/case"}},
            "event": {"type": "object"},
        },
    )
    case = {**spec, "properties": {**spec["properties"], "when": condition}}
    block = _object(
        BLOCK_KEYS, {"each": {"type": "string"}, "id": value, "when": condition, "skip": skips, "fields": values}
    )
    event = _object(
        EVENT_KEYS,
        {
            "type": {"enum": list(EVENT_TYPES)},
            "role": {"type": "string"},
            "when": condition,
            "skip": skips,
            "each": {"type": "string"},
            "id": value,
            "fields": values,
            "lines": {"anyOf": [{"$ref": "#/$defs/block"}, {"type": "array", "items": {"$ref": "#/$defs/block"}}]},
        },
        ("type", "fields"),
    )
    texts = {name: {"type": "string"} for name in ("mapping", "stream", "record", "timezone", "time_of_day")}
    tests = {"type": "array", "items": _object(TEST_KEYS, {"name": {"type": "string"}}, ("name", "record"))}
    root = _object(
        KEYS,
        {
            **texts,
            "version": {"type": ["string", "integer"]},
            "nulls": {"type": "array", "items": {"type": "string"}},
            "defaults": values,
            "lookups": {"type": "object"},
            "skip": skips,
            "events": {"type": "array", "items": {"$ref": "#/$defs/event"}, "minItems": 1},
            "tests": tests,
        },
        NEEDED,
    )
    operators: dict[str, Any] = {op: {} for op in OPERATORS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tieout mapping",
        **root,
        "$defs": {
            "value": value,
            "spec": spec,
            "case": case,
            "skip": _object(SKIP_KEYS, {"when": condition, "reason": {"type": "string"}}, SKIP_KEYS),
            "block": {**block, "required": ["fields"]},
            "event": event,
            "converter": {
                "anyOf": [{"enum": list(CONVERTERS)}, {"type": "object", "maxProperties": 1}, {"type": "string"}]
            },
            "condition": _object(
                ("from", "convert", "lookup", "default", "all", "any", "not", *OPERATORS),
                {
                    **operators,
                    **tail,
                    "from": paths,
                    "all": {"type": "array", "items": condition},
                    "any": {"type": "array", "items": condition},
                    "not": condition,
                },
            ),
        },
    }


def _object(keys: Any, known: dict[str, Any], required: Any = ()) -> dict[str, Any]:
    properties = {key: known.get(key, {}) for key in keys}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
