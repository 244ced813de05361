"""Commands about the project itself: init, check, doctor, config, plugin, schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tieout.cli.shell import Answer, Shell, common, table

USAGE = 2
FAILED = 1


@click.command()
@click.argument(
    "where",
    type=click.Path(path_type=Path, file_okay=False),
    required=False,
    help="Folder to make (default: the project folder, -C).",
)
@click.option("--template", default=None, help="Answer no questions; one of those `--template list` names.")
@click.option("--name", default=None, help="Company name.")
@click.option("--currency", default=None, help="ISO 4217 code.")
@click.option("--timezone", default=None, help="IANA zone, such as Europe/Berlin.")
@common
def init(shell: Shell, where: Path | None, template: str | None, **answers: str | None) -> None:
    """Start a project folder: `tieout.toml`, master files, a first mapping and a drop folder."""
    from tieout.workspace import init_project, templates

    if template == "list":
        shell.answer({"templates": templates()}, lambda a: "\n".join(f"{k}  {v}" for k, v in a["templates"].items()))
        return
    if template is None:
        for key, question, default in (
            ("name", "Company name", "My company"),
            ("currency", "Currency", "USD"),
            ("timezone", "Time zone", "UTC"),
        ):
            answers[key] = answers[key] or click.prompt(question, default=default, err=True)
    answer = init_project(
        where or shell.folder, template=template or "files", answers={k: v for k, v in answers.items() if v}
    )
    shell.answer(
        answer, lambda a: "\n".join([*(f"wrote {name}" for name in a["files"]), *(f"next: {n}" for n in a["next"])])
    )


@click.command()
@common
def check(shell: Shell) -> None:
    """Find every slip in the configuration, account maps and mappings, offline; exit 2 when there are errors."""
    from tieout.workspace import check_project

    answer = check_project(shell.folder)
    shell.answer(answer, _check_text)
    if not answer["ok"]:
        click.get_current_context().exit(USAGE)


def _check_text(answer: Answer) -> str:
    lines = []
    for slip in answer["slips"]:
        lines.append(f"{slip['where']}: {slip['level']} {slip['code']}: {slip['what']}")
        lines += [
            f"    {label}: {slip[key]}" for label, key in (("why", "why"), ("did you mean", "nearest")) if slip.get(key)
        ]
    errors = sum(1 for slip in answer["slips"] if slip["level"] == "error")
    lines.append(f"{answer['files']} files checked, {errors} errors, {len(answer['slips']) - errors} warnings")
    return "\n".join(lines)


@click.command()
@common
def doctor(shell: Shell) -> None:
    """Look at the machine, the database, the connections and their clocks; exit 1 when something needs mending."""
    with shell.workspace() as work:
        answer = work.doctor()
    shell.answer(
        answer, lambda a: table([(f["level"], f["what"], f["fix"]) for f in a["findings"]], ("", "what", "what to do"))
    )
    if any(f["level"] == "error" for f in answer["findings"]):
        click.get_current_context().exit(FAILED)


@click.group()
def config() -> None:
    """Each setting with its origin; the schema for editors."""


@config.command("show")
@common
def config_show(shell: Shell) -> None:
    """Every value in force and where it comes from (file:line, default, environment, CSV). Secrets are never shown."""
    from tieout.workspace import show_config

    answer = show_config(shell.folder)
    shell.answer(
        answer,
        lambda a: table([(r["key"], r["value"], r["origin"]) for r in a["settings"]], ("key", "value", "origin")),
    )


@config.command("schema")
@common
def config_schema(shell: Shell) -> None:
    """JSON Schema of `tieout.toml`, for editors."""
    from tieout.workspace import config_schema as schema_of

    click.echo(json.dumps(schema_of(), indent=2))


@click.group()
def plugin() -> None:
    """Installed connectors and other plugins."""


@plugin.command("list")
@common
def plugin_list(shell: Shell) -> None:
    """What is installed, and what failed to load and why."""
    from tieout.workspace import list_plugins

    def text(answer: Answer) -> str:
        rows = [(p["name"], p["distribution"], p["version"], " ".join(p["roles"])) for p in answer["plugins"]]
        out = table(rows, ("plugin", "distribution", "version", "roles"))
        for broken in answer["broken"]:
            out += f"\nBROKEN {broken['entry_point']} ({broken['distribution']} {broken['version']}): {broken['error']}"
        return out

    answer = list_plugins()
    shell.answer(answer, text)


@plugin.command("show")
@click.argument("name", help="Connector (`tieout plugin list`).")
@common
def plugin_show(shell: Shell, name: str) -> None:
    """One connector's whole declaration: streams, limits, capabilities, configuration."""
    from tieout.workspace import show_plugin

    answer = show_plugin(name)
    shell.answer(answer, lambda a: json.dumps(a, indent=2, default=str))


@plugin.command("new")
@click.argument("name", help="Name of the connector: acme, acme-wms.")
@click.option("--role", type=click.Choice(["source", "ledger"]), required=True, help="What it will be.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default=False,
    help="Folder to write tieout-NAME into (default: here).",
)
@common
def plugin_new(shell: Shell, name: str, role: str, into: Path) -> None:
    """Write a distribution for a new connector, with a stand-in for its vendor and a green conformance kit."""
    from tieout.workspace import new_plugin

    answer = new_plugin(name, "ledger" if role == "ledger" else "source", into)
    shell.answer(
        answer,
        lambda a: "\n".join([*(f"wrote {a['folder']}/{f}" for f in a["files"]), *(f"next: {n}" for n in a["next"])]),
    )


@click.command()
@click.argument("name", help="Event type (order.fulfilled), `events` for all, or a command (`status`).")
@common
def schema(shell: Shell, name: str) -> None:
    """JSON Schema of an event type (order.fulfilled), of all (`events`), or of a command's --json answer (`status`)."""
    from tieout.workspace import schema_of

    shell.answer(schema_of(name), lambda a: json.dumps(a, indent=2))
