"""Commands of the controller and the auditor: report, close, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tieout.cli.shell import Answer, Shell, common, table

NOT_TIED_OUT = 3
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("name", required=False, help="Report to make; without it the list of reports.")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@click.option("--as-of", default=None, help="The last posting day (YYYY-MM-DD; default: today).")
@click.option("--from", "start", default=None, help="The first day (default: that of the period).")
@click.option("--period", default=None, help="A period such as 2026-01 instead of days.")
@click.option("--as-known", default=None, help="valuation, ageing: only what had been received by this instant.")
@click.option("--by", default=None, metavar="KEYS", help="roll-forward, margin: what to sum by, with commas.")
@click.option("--role", default=None, help="clearing: one account role (default: all).")
@click.option("--threshold", default=None, metavar="PERCENT", help="cost-changes: how large a change counts.")
@click.option("--csv", "csv_file", type=_FILE, default=None, help="Write it as CSV.")
@click.option("--xlsx", "xlsx_file", type=_FILE, default=None, help="Write it as a workbook.")
@common
def report(
    shell: Shell, name: str | None, csv_file: Path | None, xlsx_file: Path | None, company: str | None, **how: Any
) -> None:
    """A report with its query, parameters, row count, control totals, as-of times and policy versions.

    Without a NAME: the list of reports.
    """
    from tieout.workspace import report_names, report_text, report_write

    if name is None:
        answer: Answer = {"reports": report_names()}
        shell.answer(
            answer, lambda a: table([(r["name"], r["what"]) for r in a["reports"]], ("report", "what it says"))
        )
        return
    with shell.workspace() as work:
        made = work.report(name, company=company, **how)
    for path in (csv_file, xlsx_file):
        if path is not None:
            report_write(made, path, "csv" if path is csv_file else "xlsx")
            shell.say(f"{len(made.rows)} rows written to {path}")
    if shell.as_json:
        shell.answer(made.as_dict(), str)
    elif csv_file is None and xlsx_file is None:
        click.echo(report_text(made))


@click.command("close")
@click.argument("period", help="Fiscal period, such as 2026-03.")
@click.option("--check", "only_check", is_flag=True, help="Only say what is in the way, and where the period stands.")
@click.option("--reopen", is_flag=True, help="Take the signatures back; needs --reason.")
@click.option("--reason", default="", help="Why it is opened again.")
@click.option("--accept", default="", metavar="REASON", help="Why estimates, old lines and exceptions may stay.")
@click.option("--age-limit", type=click.IntRange(min=0), default=None, metavar="DAYS", help="Of lines (default: 90).")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def close(shell: Shell, period: str, only_check: bool, reopen: bool, reason: str, **how: Any) -> None:
    """Close a period: one person prepares it, another one closes it. Closed, it takes no posting date.

    Exits with 3 when --check finds something in the way.
    """
    with shell.workspace() as work:
        answer = work.close_period(period, only_check=only_check, reopen=reason if reopen else None, **how)
    shell.answer(answer, _close_text)
    if only_check and answer["blockers"]:
        raise click.exceptions.Exit(NOT_TIED_OUT)


def _close_text(answer: Answer) -> str:
    head = f"{answer['period']} ({answer['start']} to {answer['end']}) of {answer['company']}: {answer['state']}"
    lines = [head + (f", by {answer['actor']} at {answer['at']}" if answer["actor"] else "")]
    if answer["corrected_since"]:
        lines.append(f"signed, and corrected since by {answer['corrected_since']} entries: the sign-off is open again")
    if answer["state"] == "prepared":
        lines.append("another person closes it: tieout close " + answer["period"])
    rows = [
        (each["kind"], each["what"], each["amount"], ", ".join(each["documents"][:3]), each["fix"])
        for each in answer["blockers"]
    ]
    if rows:
        lines += ["", table(rows, ("kind", "in the way", "amount", "documents", "fix"), right=(2,))]
    elif answer["state"] != "closed":
        lines.append("nothing is in the way")
    return "\n".join(lines)


@click.group()
def audit() -> None:
    """What nobody can change unseen: verify, export, changes, checkpoint."""


@audit.command("verify")
@click.option(
    "--export",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="File that `tieout audit export` wrote; without it the project's own database.",
)
@click.option("--key", default="", metavar="HEX", help="The public key as you know it from elsewhere.")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def audit_verify(shell: Shell, file: Path | None, key: str, company: str | None) -> None:
    """Check chains, numbers, and the signed checkpoints; with --export FILE offline, from an export alone.

    Exits with 1 when something does not hold.
    """
    from tieout.workspace import audit_verify_file

    if file is not None:
        found = audit_verify_file(file, key)
        answer: Answer = {"ok": found["ok"], "companies": [found]}
    else:
        with shell.workspace() as work:
            answer = work.audit_verify(company=company)
    shell.answer(answer, _checks_text)
    if not answer["ok"]:
        raise click.exceptions.Exit(1)


def _checks_text(answer: Answer) -> str:
    rows = [
        (one["company"], "ok" if check["ok"] else "BROKEN", check["what"], check["detail"])
        for one in answer["companies"]
        for check in one["checks"]
    ]
    return table(rows, ("company", "", "what", "detail"))


@audit.command("export")
@click.argument("file", type=_FILE, help="File of the export.")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def audit_export(shell: Shell, file: Path, company: str | None) -> None:
    """Write everything an auditor needs to check the books without them."""
    with shell.workspace() as work:
        answer = work.audit_export(file, company=company)
    shell.answer(
        answer, lambda a: f"{a['file']}: {a['totals']['bookings']} bookings, sha256 {a['sha256']}, root {a['root']}"
    )


@audit.command("changes")
@click.option("--kind", default=None, help="rules, mapping, period, approval, master, exception or other.")
@click.option("--since", default=None, metavar="DAY", help="Only changes on or after this day (YYYY-MM-DD).")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def audit_changes(shell: Shell, **how: Any) -> None:
    """Who changed rules, mappings, periods, approvals and master data, when, and what."""
    with shell.workspace() as work:
        answer = work.audit_changes(**how)
    shell.answer(answer, _changes_text)


def _changes_text(answer: Answer) -> str:
    lines = []
    for one in answer["companies"]:
        for row in one["changes"]:
            lines.append(f"{row['at'][:19]}  {one['company']}  {row['actor'] or '–'}  {row['what']}  {row['subject']}")
            lines += [f"    {line}" for line in row.get("diff") or ()]
    return "\n".join(lines) or "(none)"


@audit.command("checkpoint")
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def audit_checkpoint(shell: Shell, company: str | None) -> None:
    """Sign a checkpoint now (a run signs one a day)."""
    with shell.workspace() as work:
        answer = work.audit_checkpoint(company=company)
    rows = [(c["company"], c["day"], c["size"], c["root"]) for c in answer["checkpoints"]]
    shell.answer(answer, lambda _: table(rows, ("company", "day", "rows", "root")))
