"""What can be said about the language and about one mapping: the generated reference, and `explain`."""

from __future__ import annotations

from typing import Final

import msgspec

from tieout.mapping.compiled import CompiledMapping
from tieout.mapping.converters import CONVERTERS
from tieout.mapping.drift import full_path
from tieout.mapping.fields import WORDS, addresses, carried
from tieout.mapping.paths import Path
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
