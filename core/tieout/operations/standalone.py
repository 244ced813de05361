"""What needs no open project: `value`, `schema`, `plugin`, `init`, `check`, `config`, mapping checks."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieout.errors import UsageError
from tieout.model.master import Item
from tieout.operations.starting import init_project, templates

if TYPE_CHECKING:
    from tieout.config.project import Project
    from tieout.model.facts import Facts
    from tieout.valuation import Valuation


def value_file(
    path: Path,
    *,
    policies: Sequence[str] = (),
    compare: str | None = None,
    currency: str = "USD",
    timezone: str = "UTC",
    items: Path | None = None,
    as_known: int | None = None,
    facts: Sequence[Path] = (),
) -> dict[str, Any]:
    """`tieout value`: see `tieout.value`. `policies` are NAME=VALUE; a wrong one is refused by name."""
    from tieout.valuation import compare as side_by_side
    from tieout.valuation import read_events, value

    with path.open("rb") as lines:
        events = read_events(lines)
    chosen = dict(_pair(text) for text in policies)
    master = read_items(items) if items else None
    how: dict[str, Any] = {"items": master, "currency": currency, "timezone": timezone, "as_known": as_known}
    if facts:
        how["facts"] = read_facts(facts)
    if compare:
        sets = {method: _policy({**chosen, "cost_method": method}) for method in compare.split(",")}
        found = side_by_side(events, sets, **how)
        return {"currency": currency, "methods": [_sums(name, answer) for name, answer in found.items()]}
    return value(events, _policy(chosen), **how).as_dict()


# What customers pay and are given back: not where the cost of purchases is.
_SALES = frozenset(
    {
        "revenue",
        "shipping_revenue",
        "sales_discounts",
        "sales_returns",
        "commission_revenue",
        "breakage_income",
        "restocking_fee_income",
        "payment_fees",
        "chargeback_loss",
    }
)


def _sums(method: str, answer: Valuation) -> dict[str, Any]:
    """Where the cost of all purchases is under one method. `total` is the same for every method (matrix §22.9)."""
    from tieout.model.money import from_minor
    from tieout.model.roles import CONTROL_ROLES, ROLES

    sums = {"inventory": 0, "cost_of_sales": 0, "variances": 0, "losses": 0}
    for role, amount in answer.totals.items():
        if role in CONTROL_ROLES:
            sums["inventory"] += amount
        elif role in ("cogs", "cogs_dropship", "ic_cogs"):
            sums["cost_of_sales"] += amount
        elif role in ("ppv", "standard_revaluation") or role.endswith("_variance"):
            sums["variances"] += amount
        elif role in _SALES:
            continue
        elif ROLES[role].account_class in ("income", "contra income", "expense", "contra expense"):
            sums["losses"] += amount
    sums["total"] = sum(sums.values())
    money = {name: from_minor(amount, answer.currency) for name, amount in sums.items()}
    return {"method": method, **money, "refused": len(answer.refused)}


def _pair(text: str) -> tuple[str, str]:
    name, equals, chosen = text.partition("=")
    if not equals:
        raise UsageError(f"--policy {text!r} is not NAME=VALUE", fix="write it like cost_method=fifo")
    return name, chosen


def _policy(values: Mapping[str, str]) -> Any:
    import difflib

    from pydantic import ValidationError

    from tieout.model.policy import Policy

    for name in values:
        if name not in Policy.model_fields:
            near = difflib.get_close_matches(name, Policy.model_fields, 1)
            raise UsageError(
                f"unknown policy {name!r}", fix=f"did you mean {near[0]}?" if near else "see docs/configuration.md"
            )
    try:
        return Policy(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"policy {first['loc'][0]}: {first['msg']}", fix="see docs/configuration.md, policies"
        ) from None


def read_items(path: Path) -> Callable[[str], Item]:
    """Item facts from a CSV with at least a `sku` column (category, stock_unit, kind, catalogue_cost, weight, volume, units)."""
    items: dict[str, Item] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            given = {key: text for key, text in row.items() if text not in (None, "")}
            units = dict(part.split("=") for part in given.pop("units", "").split(";") if part)
            wanted = {k: v for k, v in given.items() if k in Item.model_fields}
            items[given["sku"]] = Item.model_validate(
                {**wanted, "units": {code: Fraction(Decimal(n)) for code, n in units.items()}}
            )
    return lambda sku: items.get(sku) or Item(sku=sku)


def read_facts(paths: Sequence[Path]) -> Facts:
    """Dated facts from CSV and JSON files; every row that cannot be taken is named."""
    from tieout.model.fact_rows import build, read_text, said

    found, slips = [], []
    for path in paths:
        facts, bad = read_text(path.read_text(encoding="utf-8-sig"), path.name)
        found += facts
        slips += bad
    if slips:
        fix = "mend these rows; docs/value.md lists the columns of each table"
        raise UsageError(said(slips), code="TO4021", fix=fix)
    return build(found)


def schema_of(name: str) -> dict[str, Any]:
    """JSON Schema of an event type, of all (`events`), or of a command's answer."""
    from tieout.model.catalogue import EVENT_TYPES
    from tieout.model.event import json_schema

    if name == "events":
        return json_schema()
    if name in EVENT_TYPES:
        return dict(json_schema()[name])
    from tieout.operations.answers import ANSWERS, answer_schema

    if name in ANSWERS:
        return dict(answer_schema(name))
    import difflib

    near = difflib.get_close_matches(name, [*EVENT_TYPES, *ANSWERS], 1)
    raise UsageError(
        f"no schema is called {name!r}",
        fix=f"did you mean {near[0]}?" if near else "name an event type, `events`, or a command",
    )


# ── configuration ──────────────────────────────────────────────────────────────────────────────────────────────────
def check_project(folder: Path) -> dict[str, Any]:
    """Every slip of the configuration, its account maps and its mapping files, offline."""
    from tieout import config

    project, found = config.examine(folder)
    slips = [_slip(slip.as_dict()) for slip in found]
    paths = [path for path in mapping_files(project) if path.is_file()] if project is not None else []
    for path in paths:
        slips += _mapping_slips(path, project)
    return {"ok": all(slip["level"] != "error" for slip in slips), "files": 1 + len(paths), "slips": slips}


def mapping_files(project: Project) -> list[Path]:
    """The mapping files a project uses, each once."""
    paths = {s.mapping for c in project.connections.values() for s in c.streams if s.mapping is not None}
    return sorted(paths)


def _slip(given: Mapping[str, Any]) -> dict[str, Any]:
    names = ("level", "code", "where", "what", "why", "nearest", "fix")
    return {"level": "error", **{name: given[name] for name in names if name in given}}


def _mapping_slips(path: Path, project: Project | None) -> list[dict[str, Any]]:
    from tieout.mapping import check, lookup_files

    text = path.read_text(encoding="utf-8")
    files = {
        name: (path.parent / name).read_text(encoding="utf-8")
        for name in lookup_files(text)
        if (path.parent / name).exists()
    }
    converters = project.plugins.named("tieout_converters")[0] if project else None
    return [
        {
            "level": "error",
            "code": slip.code,
            "where": f"{slip.file}:{slip.line}:{slip.column}",
            "what": slip.what,
            "why": slip.why,
            "nearest": slip.nearest,
        }
        for slip in check(text, _shown(path, project), converters=converters, files=files)
    ]


def _shown(path: Path, project: Project | None) -> str:
    """A file as its author names it: relative to the project where it lies inside."""
    return str(path.relative_to(project.root)) if project and path.is_relative_to(project.root) else str(path)


def show_config(folder: Path) -> dict[str, Any]:
    """Each setting in force with its origin."""
    from tieout import config

    project = config.load(folder)
    return {"settings": [row._asdict() for row in config.show(project)]}


def config_schema() -> dict[str, Any]:
    """JSON Schema of `tieout.toml`."""
    from tieout import config

    return config.schema()


def list_plugins() -> dict[str, Any]:
    """What is installed, and what failed to load and why."""
    from tieout.plugins import Plugins

    rows = Plugins.load().describe()
    loaded = [row for row in rows if row["state"] == "loaded"]
    return {"plugins": loaded, "broken": [row for row in rows if row["state"] == "broken"]}


def show_plugin(name: str) -> dict[str, Any]:
    """One connector's declaration."""
    from tieout.plugins import Plugins, describe_manifest

    return describe_manifest(Plugins.load().connector(name).manifest)


def add_plugin_commands(cli: Any) -> list[str]:
    """Hook `tieout_commands`: plugins add to the command line. Answers with what went wrong in any of them."""
    from tieout.plugins import Plugins

    answers = Plugins.load().call("tieout_commands", cli=cli)
    return [str(answer.error) for answer in answers if answer.error is not None]


# ── mappings ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _chosen(folder: Path, files: Sequence[Path]) -> tuple[list[Path], Project | None]:
    from tieout import config

    if files:
        return list(files), None
    project = config.load(folder)
    return mapping_files(project), project


def check_mappings(folder: Path, files: Sequence[Path] = ()) -> dict[str, Any]:
    """Every slip of mapping files: those named, or all the project uses."""
    chosen, project = _chosen(folder, files)
    return {"files": len(chosen), "slips": [slip for path in chosen for slip in _mapping_slips(path, project)]}


def test_mappings(folder: Path, files: Sequence[Path] = ()) -> dict[str, Any]:
    """Run the tests that stand in mapping files."""
    from tieout.mapping import run_tests
    from tieout.operations.intake import load_mapping

    chosen, _ = _chosen(folder, files)
    passed, failures = 0, []
    for path in chosen:
        for outcome in run_tests(load_mapping(path)):
            if outcome.problem:
                failures.append(f"{path}:{outcome.line}:{outcome.column}: {outcome.name}: {outcome.problem}")
            else:
                passed += 1
    return {"passed": passed, "failures": failures}


def explain_mapping(path: Path) -> dict[str, Any]:
    """A mapping as a page a person can read."""
    import msgspec

    from tieout.mapping import explain, explain_markdown
    from tieout.operations.intake import load_mapping

    mapping = load_mapping(path)
    return {"fields": [msgspec.structs.asdict(row) for row in explain(mapping)], "text": explain_markdown(mapping)}


# ── the database ───────────────────────────────────────────────────────────────────────────────────────────────────
def db_upgrade(folder: Path) -> dict[str, Any]:
    """Bring the database to this version's tables."""
    from tieout import config
    from tieout.store.store import SCHEMA_VERSION, Store

    Store.upgrade(config.load(folder).store_url()).close()
    return {"version": SCHEMA_VERSION}


def db_restore(folder: Path, file: Path, actor: str) -> dict[str, Any]:
    """Put a backup in place; deliveries since are looked up in the ledger before anything is sent."""
    import sqlalchemy as sa

    from tieout import config
    from tieout.store.acts import record_act
    from tieout.store.backup import restore
    from tieout.store.schema import company
    from tieout.store.store import Store

    url = config.load(folder).store_url()
    kept = restore(file, url)
    with Store.open(url) as store, store.write() as tx:
        for (number,) in tx.execute(sa.select(company.c.id)).all():
            record_act(tx, number, actor, "db.restore", str(file))
    return {"restored": str(file), "replaced database kept at": str(kept) if kept else None}


def db_move(folder: Path, url: str, actor: str, progress: Callable[[str], None]) -> dict[str, Any]:
    """Move the project's database to another, empty one; says which line of tieout.toml to change."""
    from tieout import config
    from tieout.store import dialect
    from tieout.store.move import move
    from tieout.store.store import Store

    place = resolve_store(url, folder)
    with Store.open(config.load(folder).store_url()) as source:
        moved = move(source, place, actor, progress)
    parsed = dialect.parse(place)
    plain = url.startswith("env:") or parsed.password is None
    line = f'store = "{url}"' if plain else 'store = "env:TIEOUT_STORE"  # and export TIEOUT_STORE with the address'
    return {
        "tables": [{"table": one.name, "rows": one.rows, "sha256": one.digest} for one in moved],
        "to": parsed.render_as_string(hide_password=True),
        "change": f"in {folder / config.FILE}: {line}",
    }


def resolve_store(url: str, folder: Path) -> str:
    """The address behind `env:NAME`, or a file relative to the project."""
    if url.startswith("env:"):
        name = url.removeprefix("env:")
        if name not in os.environ:
            raise UsageError(f"{name} is not set", code="TO1076", fix=f"export {name}=postgresql://…")
        return os.environ[name]
    prefix = "sqlite:///"
    return f"{prefix}{(folder / url.removeprefix(prefix)).resolve()}" if url.startswith(prefix) else url


__all__ = ["init_project", "templates", "value_file"]
