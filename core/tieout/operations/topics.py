"""`tieout explain TOPIC` for what needs no project: error codes, event types, account roles, reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tieout.model.catalogue import EVENT_TYPES, REASONS
from tieout.model.roles import CONTROL_ROLES, ROLES

ROW = re.compile(r"[A-Z]{2,3}-[0-9]{2}")


def explain_topic(topic: Sequence[str]) -> dict[str, Any] | None:
    """The page on a topic, or None when it is not one of these (then the project is asked)."""
    if len(topic) != 1:
        return None
    word = topic[0]
    if word.upper().startswith("TO") and word[2:].isdigit():
        return _code(word.upper())
    if word in EVENT_TYPES:
        return _event_type(word)
    if word in ROLES:
        return _role(word)
    if ROW.fullmatch(word.upper()):
        return _row(word.upper())
    if word in REASONS:
        reason = REASONS[word]
        return {
            "kind": "reason",
            "id": word,
            "text": f"reason {word}: row {reason.row}, role {reason.role}, goods {reason.direction}",
        }
    return None


def _row(name: str) -> dict[str, Any] | None:
    from importlib.resources import files

    from ruamel.yaml import YAML

    text = files("tieout.posting").joinpath("matrix_rows.yaml").read_text(encoding="utf-8")
    rows: Mapping[str, Mapping[str, Any]] = YAML(typ="safe", pure=True).load(text)
    row = rows.get(name)
    if row is None:
        return None
    lines = [f"{name}: {row['title']}"]
    lines += [f"{key}: {_words(value)}" for key, value in row.items() if key != "title"]
    return {"kind": "matrix row", "id": name, "row": dict(row), "text": "\n".join(lines)}


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _code(code: str) -> dict[str, Any] | None:
    from tieout.codes import all_codes

    entry = all_codes().get(code)
    if entry is None:
        return None
    text = f"{entry.code} {entry.title}\n{entry.meaning}\nWhat to do: {entry.fix}"
    return {"kind": "code", "id": code, "title": entry.title, "meaning": entry.meaning, "fix": entry.fix, "text": text}


def _event_type(name: str) -> dict[str, Any]:
    spec = EVENT_TYPES[name]
    text = "\n".join(
        [
            f"{name}: matrix rows {spec.rows}",
            f"units: {spec.units}; place in the order of one instant: {spec.phase}",
            f"event must carry: {', '.join(spec.needs) or '–'}; may carry: {', '.join(spec.may) or '–'}",
            f"each line must carry: {', '.join(spec.line_needs) or '–'}; may carry: {', '.join(spec.line_may) or '–'}",
            f"JSON Schema: tieout schema {name}",
        ]
    )
    return {"kind": "event type", "id": name, "rows": spec.rows.split(), "phase": spec.phase, "text": text}


def _role(name: str) -> dict[str, Any]:
    role = ROLES[name]
    kinds = [word for word, true in (("clearing", role.clearing), ("control", name in CONTROL_ROLES)) if true]
    text = f"{name}: {role.purpose}\n{role.account_class}, normal side {role.normal}{', ' + ', '.join(kinds) if kinds else ''}"
    return {"kind": "role", "id": name, "class": role.account_class, "purpose": role.purpose, "text": text}
