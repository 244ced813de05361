"""Commands on objectives: sla, and the alerts it raises."""

from __future__ import annotations

from pathlib import Path

import click

from tieout.cli.shell import Answer, Shell, common, table

MISSED = 3
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option(
    "--month", default=None, metavar="YYYY-MM", help="Calendar month in the company's zone (default: this one)."
)
@click.option("--connection", default=None, metavar="NAME", help="Only this connection: a report to send its vendor.")
@click.option("--html", "html_file", type=_FILE, default=None, help="Write it as a page to send.")
@click.option("--csv", "csv_file", type=_FILE, default=None, help="Write every figure with its evidence as CSV.")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def sla(
    shell: Shell,
    month: str | None,
    connection: str | None,
    html_file: Path | None,
    csv_file: Path | None,
    company: str | None,
) -> None:
    """Service levels of the sources in a month: latency, freshness, availability, quality, each with its evidence.

    Exits with 3 when an objective was missed.
    """
    from tieout.workspace import sla_text, sla_write

    with shell.workspace() as work:
        answer = work.sla(month=month, connection=connection, company=company)
    for path in (html_file, csv_file):
        if path is not None:
            sla_write(answer, path, "html" if path is html_file else "csv")
            shell.say(f"written to {path}")
    shell.answer(answer, sla_text)
    if not answer["kept"]:
        raise click.exceptions.Exit(MISSED)


@click.group()
def alerts() -> None:
    """What people were told of because an objective is missed: list, take."""


def _text(answer: Answer) -> str:
    rows = [
        (a["id"], a["company"], a["level"], a["subject"], a["since"], a["owner"], a["taken_by"] or "")
        for a in answer["alerts"]
    ]
    return table(rows, ("id", "company", "level", "what", "since", "owner", "taken by"))


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--company", default=None, metavar="CODE", help="Only this company.")
@common
def alerts_list(shell: Shell, everything: bool, company: str | None) -> None:
    """Alerts that last, the newest first."""
    with shell.workspace() as work:
        answer = work.alerts(company=company, everything=everything)
    shell.answer(answer, _text)


@alerts.command("take")
@click.argument("number", type=int, help="Id from `tieout alerts list`.")
@common
def alerts_take(shell: Shell, number: int) -> None:
    """Say that you look after it: it is not told to anybody else."""
    with shell.workspace() as work:
        answer = work.take_alert(number)
    shell.answer(answer, _text)
