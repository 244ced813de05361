"""Everything a plugin can add or change, on one page.

Implement any of these with `@tieout.hookimpl` in a module that an entry point of group `tieout.connectors` (connectors)
or `tieout.plugins` (everything else) names. Hooks of several plugins are all called unless `firstresult` is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from tieout.connector import Connector
    from tieout.errors import TieoutError
    from tieout.model.event import EventLine
    from tieout.model.journal import Document, Flow
    from tieout.valuation.methods import CostMethod

PROJECT = "tieout"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def tieout_connector() -> Connector:  # type: ignore[empty-body]
    """A connector class (source, ledger or both) with its `manifest`."""


@hookspec
def tieout_mappings() -> Sequence[Path]:  # type: ignore[empty-body]
    """Folders with ready-made mapping files and chart-of-accounts templates."""


@hookspec
def tieout_converters() -> Mapping[str, Callable[[Any], Any]]:  # type: ignore[empty-body]
    """Named converters for mapping files: name → pure function of one value; ValueError refuses the record."""


@hookspec
def tieout_cost_methods() -> Mapping[str, type[CostMethod]]:  # type: ignore[empty-body]
    """Cost methods by the name used in policy `cost_method`."""


@hookspec
def tieout_posting_rules() -> Mapping[str, Callable[[EventLine], Sequence[Flow]]]:  # type: ignore[empty-body]
    """Further flows for event types that move neither units nor their cost (money and memo events): type → rule.

    A rule is a pure function of one event line, asked whenever the line is valued; the difference to what is posted is
    posted. Flows name account roles that hold no stock, a row of the plugin's own naming, and an amount in minor units.
    """


@hookspec
def tieout_exception(error: TieoutError, line: EventLine | None) -> str | None:
    """Called for each new exception; may return the owner it should go to."""


@hookspec
def tieout_notify(subject: str, body: str, data: Mapping[str, Any]) -> None:
    """Send a notice (exception, breach, parked delivery) somewhere people look."""


@hookspec
def tieout_exporters() -> Mapping[str, Callable[[Sequence[Document]], str]]:  # type: ignore[empty-body]
    """Export formats for `tieout export`: name → documents to text."""


@hookspec
def tieout_commands(cli: click.Group) -> None:
    """Add commands to the command line."""


@hookspec
def tieout_before_stage(stage: str, company: str) -> None:
    """Before pull, map, value, post, deliver, reconcile; an exception stops this stage of this company."""


@hookspec
def tieout_after_stage(stage: str, company: str, summary: Mapping[str, Any]) -> None:
    """After a stage, with its counts."""
