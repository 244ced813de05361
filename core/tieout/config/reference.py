"""The reference of `tieout.toml`, as Markdown for people and as JSON Schema for editors, both made from the tables."""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tieout.config.tables import (
    CalendarTable,
    CompanyTable,
    ConnectionTable,
    EmailTable,
    ExceptionsTable,
    FileTable,
    MaintenanceTable,
    NotifyTable,
    OverrideTable,
    PolicyTable,
    PostingTable,
    ProjectTable,
    QualityTable,
    ScheduleTable,
    ScopeTable,
    SlaTable,
    StreamSlaTable,
    StreamTable,
    TimingTable,
    WebhookTable,
)
from tieout.config.values import duration_text
from tieout.model.policy import Policy
from tieout.plugins import Plugins

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[project]", ProjectTable),
    ("[companies.CODE]", CompanyTable),
    ("calendar = { … }", CalendarTable),
    ("[[companies.CODE.account_overrides]]", OverrideTable),
    ("[[companies.CODE.policies]]", PolicyTable),
    ("[companies.CODE.posting]", PostingTable),
    ("[[companies.CODE.scopes]]", ScopeTable),
    ("[connections.NAME]", ConnectionTable),
    ("[[connections.NAME.streams]]", StreamTable),
    ("sla = { … } of a stream", StreamSlaTable),
    ("[schedule]", ScheduleTable),
    ("pull, deliver, reconcile and each stream of [schedule]", TimingTable),
    ("[sla]", SlaTable),
    ("[sla.quality]", QualityTable),
    ("[[sla.maintenance]]", MaintenanceTable),
    ("[notify]", NotifyTable),
    ("[notify.email]", EmailTable),
    ("[[notify.webhooks]]", WebhookTable),
    ("[exceptions]", ExceptionsTable),
)
_NAMES = {
    "str": "text",
    "int": "whole number",
    "bool": "true or false",
    "Decimal": "number",
    "date": "day",
    "Secret": "reference",
}


def reference_markdown() -> str:
    """The reference: one section per table, one line per key with type, default and meaning."""
    return "\n".join(_lines())


def schema(plugins: Plugins | None = None) -> dict[str, Any]:
    """JSON Schema of `tieout.toml`. With plugins, each connector's own keys are known under its connections."""
    root = FileTable.model_json_schema()
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    root["title"] = "tieout.toml"
    if plugins is not None:
        definitions = root["$defs"]
        connection = definitions["ConnectionTable"]
        rules = []
        for name, connector in sorted(plugins.connectors.items()):
            own = connector.manifest.config.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
            for inner, body in own.pop("$defs", {}).items():
                definitions[f"{name}.{inner}"] = body
            properties = {key: body for key, body in own.get("properties", {}).items() if key != "streams"}
            required = [key for key in own.get("required", []) if key != "streams"]
            then = {"properties": properties, **({"required": required} if required else {})}
            rules.append({"if": {"properties": {"connector": {"const": name}}}, "then": then})
        connection["properties"]["connector"]["examples"] = sorted(plugins.connectors)
        if rules:
            connection["allOf"] = rules
    return root


def _lines() -> Iterator[str]:
    for number, (title, model) in enumerate(_SECTIONS):
        if number:
            yield ""
        yield f"### `{title}`"
        yield ""
        yield (model.__doc__ or "").strip().replace("\n    ", " ")
        yield ""
        yield "| key | type | default | meaning |"
        yield "|---|---|---|---|"
        for name, field in model.model_fields.items():
            meaning = field.description or _POLICIES.get(name, "")
            yield f"| `{name}` | {_type(field)} | {_default(field)} | {meaning} |"


def _type(field: FieldInfo) -> str:
    for extra in field.metadata:
        wanted = getattr(extra, "json_schema", None)
        if isinstance(wanted, dict) and "enum" in wanted:
            return ", ".join(f"`{value}`" for value in wanted["enum"])
    return _name(field.annotation)


def _name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is timedelta:
        return "duration"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return _name(next(a for a in arguments if a is not type(None)))
    if origin in (tuple, list):
        return f"list of {_name(arguments[0])}"
    if origin is dict:
        return "table"
    if hasattr(annotation, "__metadata__"):
        return _annotated(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _NAMES.get(getattr(annotation, "__name__", ""), "day or instant")


def _annotated(annotation: Any) -> str:
    for extra in annotation.__metadata__:
        wanted = getattr(extra, "json_schema", None)
        if isinstance(wanted, dict) and "enum" in wanted:
            return ", ".join(f"`{value}`" for value in wanted["enum"])
    return _name(annotation.__origin__)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None or field.default in (None, "", ()):
        return ""
    value = field.default
    if isinstance(value, timedelta):
        return f"`{duration_text(value)}`"
    if value == date.min and isinstance(value, date):
        return "always"
    if isinstance(value, tuple):
        return ", ".join(f"`{inner}`" for inner in value)
    return f"`{value}`"


# What each policy of matrix §3 decides, for the reference; its values and defaults come from the model.
_POLICIES: dict[str, str] = {
    "cost_method": "how the cost of what leaves is found: `fifo`, `weighted_average`, `standard`, `specific`, `lifo`, or a plugin's",
    "cost_scope": "one cost pool per item for the whole company, or one per item and location",
    "receipt_accrual": "book goods received at the receipt, or when they are billed",
    "receipt_confirmation": "book automated receipts as stock, or hold them apart until confirmed",
    "cogs_trigger": "what moves cost into cost of sales",
    "revenue_trigger": "what posts revenue; `external`: another program does",
    "returns_model": "book returns when they come, or expected ones at the sale",
    "return_cost": "cost at which a return re-enters stock",
    "bill_variance": "a bill's price difference follows the units, or is expensed",
    "rounding": "how extended values and shares are rounded",
    "negative_stock": "a shipment without stock gets a provisional cost, or is held",
    "framework": "accounting framework; decides on write-downs and on `lifo`",
    "found_cost": "cost of found units",
    "count_reopen": "a late movement before a count's cut-off recomputes the count, or waits",
    "unknown_reason": "an adjustment without a known reason waits, or goes to suspense",
    "method_change": "how a change of cost method takes over the value",
    "bill_owner": "who writes vendor bills into the ledger",
    "unlinked_return_match": "how a return without a reference finds its sale",
    "unlinked_bill_match": "how a bill without a reference finds its receipts: the vendor's open ones of the item, oldest first",
    "fx_bill_difference": "where an exchange difference between receipt and bill goes",
    "settlement_discount": "where a discount for early payment goes",
    "transfer_transit": "transfers pass through a transit account, or not",
    "disassembly_value": "how a kit's value is shared among its parts",
    "book": "the set of books these policies belong to",
    "locked_period": "what is done with an entry whose date is locked",
    "donation_measure": "value of donated goods",
}
assert set(_POLICIES) == set(Policy.model_fields), "a policy without its line in the reference"
