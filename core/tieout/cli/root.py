"""The table of contents of the command line; each command is imported when it is used."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tieout.cli.shell import LazyGroup

_PROJECT = "tieout.cli.project"
_FLOW = "tieout.cli.flow"
_ASK = "tieout.cli.ask"
_CARE = "tieout.cli.care"
_ENTRIES = "tieout.cli.entries"
_REPORT = "tieout.cli.report"
_AUTH = "tieout.cli.auth"
_SERVE = "tieout.cli.serve"
_WORKER = "tieout.cli.worker"
_SLA = "tieout.cli.sla"


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import tieout

        click.echo(f"tieout {tieout.__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    root=True,
    invoke_without_command=True,
    lazy={
        "init": (_PROJECT, "init", "Start a project folder (asks, or takes --template)."),
        "check": (_PROJECT, "check", "Find every slip in configuration and mappings, offline."),
        "doctor": (_PROJECT, "doctor", "Look at the machine, the database and the connections."),
        "config": (_PROJECT, "config", "Show each setting with its origin; schema for editors."),
        "plugin": (_PROJECT, "plugin", "List installed connectors and other plugins."),
        "schema": (_PROJECT, "schema", "JSON Schema of an event type or of a command's --json answer."),
        "mapping": (_CARE, "mapping", "Check, test and explain mapping files."),
        "pull": (_FLOW, "pull", "Fetch new records from the sources and land them."),
        "plan": (_FLOW, "plan", "Show what would be posted and why, before anything is written."),
        "apply": (_FLOW, "apply", "Post a saved plan; refuses a stale one."),
        "run": (_FLOW, "run", "The main job once: pull, map, value, post, deliver, reconcile."),
        "serve": (_SERVE, "serve", "Run every schedule of the project until it is stopped."),
        "sla": (_SLA, "sla", "Service levels of the sources in a month, with evidence; HTML to send."),
        "alerts": (_SLA, "alerts", "What people were told of: list, take."),
        "worker": (_WORKER, "worker", "Share the work of a project on PostgreSQL with other workers."),
        "schedule": (_SERVE, "schedule", "When things run: list, next, pause, resume, run."),
        "status": (_FLOW, "status", "Where everything stands, and whether it ties out."),
        "reconcile": (_FLOW, "reconcile", "Tie source, subledger and ledger out; name every difference."),
        "entries": (_ENTRIES, "entries", "Entries on their way to the ledger: list, show, decide parked ones."),
        "auth": (_AUTH, "auth", "Connect a company to its vendors; see what is connected."),
        "approvals": (_FLOW, "approvals", "What waits for a second person: list, approve, reject."),
        "cutover": (_FLOW, "cutover", "Load opening stock, prove it against the ledger, set go-live."),
        "trace": (_ASK, "trace", "The whole chain behind any id, both ways."),
        "explain": (_ASK, "explain", "Why a cost, an account or an error code is what it is."),
        "value": (_ASK, "value", "Value a file of canonical events; needs no project."),
        "valuation": (_ASK, "valuation", "Stock value as of a date, with layers."),
        "report": (_REPORT, "report", "Reports with their proof: roll-forward, margin, GRNI, cut-off, ageing …"),
        "close": (_REPORT, "close", "Close a period: what is in the way, two signatures, re-open with a reason."),
        "audit": (_REPORT, "audit", "Verify, export and explain the audit trail; signed checkpoints."),
        "export": (_ASK, "export", "Write the journal as beancount, hledger, csv or jsonl."),
        "exceptions": (_CARE, "exceptions", "What could not go on: list, show, retry, resolve, assign, ignore."),
        "items": (_CARE, "items", "Teach items: unmapped, alias, merge, import."),
        "locations": (_CARE, "locations", "Teach locations: unmapped, alias, import."),
        "parties": (_CARE, "parties", "Teach parties: unmapped, alias, import."),
        "db": (_CARE, "db", "Upgrade, back up, restore, move and verify the database."),
    },
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keeps inventory systems and accounting ledgers in exact agreement, to the cent, and proves it."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        folder = Path(os.environ.get("TIEOUT_PROJECT", "."))
        if (folder / "tieout.toml").exists():
            click.echo("\nNext: `tieout status` says where everything stands, `tieout run` does the main job.")
        else:
            click.echo(
                "\nNo project in this folder. `tieout init` starts one here; COMMAND -C FOLDER works in another one."
            )
