"""Commands on time: serve, and the schedules it serves."""

from __future__ import annotations

from typing import Literal

import click

from tieout.cli.shell import Answer, Shell, common, table

HEADERS = ("schedule", "when", "next", "last", "outcome", "missed", "detail")


@click.command("serve")
@click.option(
    "--webhooks",
    default=None,
    metavar="HOST:PORT",
    help="Take vendors' calls here, at /hooks/COMPANY/CONNECTION; a proxy in front keeps the certificate.",
)
@click.option(
    "--metrics",
    default=None,
    metavar="HOST:PORT",
    help="Tell Prometheus here: /metrics, and /healthz and /readyz; it has no password.",
)
@click.option(
    "--log", type=click.Choice(["json", "text"]), default=None, help="Also write log lines to stderr, without secrets."
)
@common
def serve(shell: Shell, webhooks: str | None, metrics: str | None, log: Literal["json", "text"] | None) -> None:
    """Pull, deliver and reconcile when the configuration says so, until Ctrl-C or a termination signal.

    What runs when it is stopped comes to its end first. Several may serve one project: each firing happens once.
    """
    from tieout.workspace import serve as run

    handed = run(
        shell.folder,
        actor=shell.actor,
        progress=shell.say,
        webhooks=_place(webhooks, "--webhooks"),
        metrics=_place(metrics, "--metrics"),
        log=log,
    )
    shell.answer({"firings": handed}, lambda a: f"{a['firings']} firings")


def _place(text: str | None, option: str) -> tuple[str, int] | None:
    """HOST:PORT."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not (host and port.isdigit() and int(port) < 65_536):
        raise click.BadParameter("HOST:PORT, such as 127.0.0.1:8700", param_hint=option)
    return host, int(port)


@click.group()
def schedule() -> None:
    """When things run, and what became of it."""


def _text(answer: Answer) -> str:
    rows = [
        [
            f"paused by {row['paused_by']}: {row['paused_why']}" if h == "next" and row["paused_by"] else row[h]
            for h in HEADERS
        ]
        for row in answer["schedules"]
    ]
    return table(rows, HEADERS, right=(5,))


@schedule.command("list")
@click.option("--company", default=None, metavar="CODE", help="Only this company.")
@common
def schedule_list(shell: Shell, company: str | None) -> None:
    """Every schedule with its next and last firing."""
    with shell.workspace() as work:
        answer = work.schedules(company=company)
    shell.answer(answer, _text)


@schedule.command("next")
@click.option("--company", default=None, metavar="CODE", help="Only this company.")
@common
def schedule_next(shell: Shell, company: str | None) -> None:
    """What runs next, the soonest first."""
    with shell.workspace() as work:
        answer = work.schedules(company=company)
    rows = sorted((row for row in answer["schedules"] if row["next"]), key=lambda row: row["next"])
    shell.answer(
        {"schedules": rows}, lambda a: table([[r["next"], r["schedule"]] for r in a["schedules"]], ("next", "schedule"))
    )


@schedule.command("pause")
@click.argument("name", metavar="SCHEDULE", help="Schedule (`tieout schedule list`).")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit trail and shown in the list.")
@click.option("--company", default=None, metavar="CODE", help="Of this company.")
@common
def schedule_pause(shell: Shell, name: str, reason: str, company: str | None) -> None:
    """Stop a schedule until it is resumed."""
    with shell.workspace() as work:
        answer = work.pause_schedule(name, reason, company=company)
    shell.answer(answer, _text)


@schedule.command("resume")
@click.argument("name", metavar="SCHEDULE", help="Schedule (`tieout schedule list`).")
@click.option("--company", default=None, metavar="CODE", help="Of this company.")
@common
def schedule_resume(shell: Shell, name: str, company: str | None) -> None:
    """Let a paused schedule go on; its next firing makes up for what it missed."""
    with shell.workspace() as work:
        answer = work.resume_schedule(name, company=company)
    shell.answer(answer, _text)


@schedule.command("run")
@click.argument("name", metavar="SCHEDULE", help="Schedule (`tieout schedule list`).")
@click.option("--company", default=None, metavar="CODE", help="Of this company.")
@common
def schedule_run(shell: Shell, name: str, company: str | None) -> None:
    """Fire a schedule once, now."""
    with shell.workspace() as work:
        answer = work.run_schedule(name, company=company)
    shell.answer(answer, lambda a: f"{a['schedule']}: {a['outcome']}, {a['detail']}")
