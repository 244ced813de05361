"""From pydantic's complaints to slips: what, why (the field's own description) and the nearest right name."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tieout.config.positions import Path as KeyPath
from tieout.config.slip import Slips, choices, nearest

_QUOTED = re.compile(r"'([^']*)'")
# Keys people look for that are not there on purpose.
_NOT_THERE = {
    ("scopes", "channels"): (
        "all channels draw on the same cost pool, so a rollout by channel would split it",
        "use categories, or locations with cost_scope = location",
    ),
}
_PLAIN = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list in [ ]",
    "list_type": "must be a list in [ ]",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "dict_too_short": "must not be empty",
}


def form_slips(
    error: ValidationError, model: type[BaseModel], raw: Any, base: KeyPath, slips: Slips, *, connection: str = ""
) -> None:
    """Add a slip for each complaint about `raw`, the value at `base`. Values are never printed unless they were to be
    one of a few choices: anything else might be a secret."""
    complaints = error.errors(include_url=False, include_input=False)
    misspelt = {
        (c["loc"][:-1], nearest(str(c["loc"][-1]), keys_of(model, c["loc"][:-1])))
        for c in complaints
        if c["type"] == "extra_forbidden"
    }
    for complaint in complaints:
        kind, loc = complaint["type"], complaint["loc"]
        path: KeyPath = (*base, *loc)
        name = str(loc[-1]) if loc else str(base[-1] if base else "")
        why = meaning(model, loc)
        if kind == "extra_forbidden":
            unknown_key(slips, path, keys_of(model, loc[:-1]))
        elif kind == "missing":
            if (loc[:-1], name) not in misspelt:  # the misspelt key already says it
                what = f"{name!r} is missing in {section(path[:-1])}"
                slips.add("TO1073", path, what, why, f"add `{name} = …` there", connection=connection)
        elif kind == "literal_secret":
            refuse_literal(slips, path)
        elif kind in ("literal_error", "enum"):
            wanted = _QUOTED.findall(str(complaint.get("ctx", {}).get("expected", "")))
            value = value_at(raw, loc)
            near = nearest(value, wanted) if isinstance(value, str) else None
            what = f"{name}: {value!r} is not one of the choices"
            slips.add("TO1074", path, what, why, choices(wanted), nearest=near, connection=connection)
        else:
            context: dict[str, Any] = complaint.get("ctx", {})
            message = complaint["msg"].removeprefix("Value error, ")
            plain = _PLAIN.get(kind, message[:1].lower() + message[1:])
            what = message if "what" in context or message.startswith(f"{name}:") else f"{name}: {plain}"
            fix, near = str(context.get("fix") or ""), str(context.get("near") or "") or None
            reason = str(context.get("why") or why)
            slips.add("TO1074", path, what, reason, fix or "mend the value", nearest=near, connection=connection)


def unknown_key(slips: Slips, path: KeyPath, known: Iterable[str]) -> None:
    """A key nobody reads."""
    name = str(path[-1])
    parents = [part for part in path[:-1] if isinstance(part, str)]
    known = list(known)
    why, fix = _NOT_THERE.get((parents[-1] if parents else "", name), ("nobody reads it; a default would be used", ""))
    near = None if fix else nearest(name, known)
    what = f"unknown key {name!r} in {section(path[:-1])}"
    slips.add("TO1072", path, what, why, fix or choices(known), key=True, nearest=near)


def refuse_literal(slips: Slips, path: KeyPath) -> None:
    """A secret in clear text."""
    parts = [str(part) for part in path[1:] if isinstance(part, str)] or [str(path[-1])]
    name = re.sub(r"[^A-Z0-9]+", "_", "_".join(parts).upper())
    slips.add(
        "TO1075",
        path,
        f"{path[-1]}: a secret is written out",
        "whoever can read this file, its backups or its history can use it",
        f'{path[-1]} = "env:{name}" (or file:PATH, keyring:SERVICE/USER), and change the secret: it has been seen',
    )


def section(path: KeyPath) -> str:
    """How a table is called: `[companies.ACME]`, `[[companies.ACME.policies]] number 2`."""
    names = ".".join(str(part) for part in path if isinstance(part, str))
    if not names:
        return "the file"
    if isinstance(path[-1], int):
        return f"[[{names}]] number {path[-1] + 1}"
    return f"[{names}]"


def meaning(model: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    """The description of the field at a place, or of the nearest one above that has one."""
    current: Any = model
    found = ""
    for part in loc:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            if field is not None and field.description:
                found = field.description
        current = _step(current, part)
    return found or "the setting has no meaning this way"


def keys_of(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand in the table at a place."""
    current: Any = model
    for part in loc:
        current = _step(current, part)
    if not (isinstance(current, type) and issubclass(current, BaseModel)):
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    """What stands at a place, None when nothing does."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _step(annotation: Any, part: str | int) -> Any:
    """The type one step deeper: a field of a model, an element of a list, a value of a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return _bare(field.annotation) if field else None
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin in (tuple, list) and arguments:
        return _bare(arguments[0])
    if origin is dict and len(arguments) == 2:
        return _bare(arguments[1])
    return None


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return next((_bare(a) for a in get_args(annotation) if a is not type(None)), None)
    return annotation
