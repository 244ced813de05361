"""Every value in force and where it comes from: a line of the file, a default, the environment, a CSV. No secret is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import BaseModel

from tieout.config.positions import Path as KeyPath
from tieout.config.project import Company, Project
from tieout.config.secret import Secret, is_reference, looks_secret, without_password
from tieout.config.tables import ConnectionTable, StreamTable
from tieout.config.values import WEEKDAYS, duration_text

HIDDEN = "***"


class Shown(NamedTuple):
    """One setting: `companies.ACME.currency`, its value as text, its origin."""

    key: str
    value: str
    origin: str


def show(project: Project) -> list[Shown]:
    """The settings of a project, in the order of the file, defaults included."""
    draft = project.draft
    assert draft.table is not None  # a project is only made from a table
    rows = list(_walk(project, draft.table, ()))
    for company in project.companies.values():
        rows += _outside(project, company)
    return rows


def _walk(project: Project, value: Any, path: KeyPath) -> Iterator[Shown]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            inner = getattr(value, name)
            if inner is not None and not _unset_policy(value, name):
                yield from _walk(project, inner, (*path, name))
        if isinstance(value, ConnectionTable):
            yield from _connectors_own(project, str(path[-1]), path)
        elif isinstance(value, StreamTable):
            for name, inner in (value.model_extra or {}).items():
                yield from _walk(project, inner, (*path, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(project, inner, (*path, name))
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, (BaseModel, dict)) for inner in value):
        for index, inner in enumerate(value):
            yield from _walk(project, inner, (*path, index))
    else:
        yield Shown(_key(path), _text(path, value), _origin(project, path, value))


def _connectors_own(project: Project, name: str, path: KeyPath) -> Iterator[Shown]:
    """A connector's settings with its own defaults; the raw ones when it did not load."""
    connection = project.connections[name]
    if connection.error is None:
        config = connection.config
        for field in type(config).model_fields:
            inner = getattr(config, field)
            if field != "streams" and inner is not None:
                yield from _walk(project, inner, (*path, field))
        return
    raw = project.draft.raw["connections"][name]
    for field, inner in raw.items():
        if field not in ConnectionTable.model_fields:
            yield from _walk(project, inner, (*path, field))


def _outside(project: Project, company: Company) -> Iterator[Shown]:
    """Accounts that stand in a CSV file or a template."""
    for row in company.accounts.rows:
        if not row.where.startswith(f"{project.file.name}:"):
            keys = "".join(f", {name}={getattr(row, name)}" for name in row.named())
            since = "" if row.effective == date.min else f" from {row.effective}"
            yield Shown(f"companies.{company.code}.accounts.{row.role}{keys}{since}", row.account, f"CSV {row.where}")


def _unset_policy(value: BaseModel, name: str) -> bool:
    """A policy version says only what it sets; the rest comes from other versions or matrix §3."""
    return type(value).__name__ == "PolicyTable" and name not in value.model_fields_set


def _origin(project: Project, path: KeyPath, value: Any) -> str:
    positions = project.draft.slips.positions
    place = positions.places.get(path) if positions else None
    if place is None:
        return "default"
    written = f"{project.file.name}:{place.line}"
    reference = value.reference if isinstance(value, Secret) else value if isinstance(value, str) else ""
    if reference.startswith("env:") and is_reference(reference):
        return f"environment {reference.removeprefix('env:')} ({written})"
    return written


def _text(path: KeyPath, value: Any) -> str:
    if isinstance(value, Secret):
        return value.reference
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return duration_text(value)
    if isinstance(value, (date, datetime)):
        return "always" if value == date.min else value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(_text(path, inner) for inner in value) + "]"
    if path[-1] == "year_end_weekday" and isinstance(value, int):
        return WEEKDAYS[value]
    if isinstance(value, (int, Decimal)):
        return str(value)
    text = str(value)
    return HIDDEN if looks_secret(str(path[-1]), text) and "://" not in text else without_password(text)


def _key(path: KeyPath) -> str:
    return ".".join(str(part) for part in path).replace("..", ".")
