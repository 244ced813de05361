"""Commands on single entries: list, show, decide."""

from __future__ import annotations

from typing import Any

import click

from tieout.cli.shell import Answer, Shell, common, table

STATES = ("troubled", "parked", "rejected", "unknown", "pending", "planned", "posted", "confirmed", "withdrawn", "all")


@click.group()
def entries() -> None:
    """Journal entries on their way to the ledger; decide those whose outcome nobody could look up."""


@entries.command("list")
@click.option(
    "--state",
    type=click.Choice(STATES),
    default="troubled",
    show_default=True,
    help="Only entries in this state; `troubled` is parked, rejected and unknown.",
)
@click.option("--company", default=None, metavar="CODE", help="Only this company.")
@common
def entries_list(shell: Shell, state: str, company: str | None) -> None:
    """List entries with state, amount, age and why they wait."""
    with shell.workspace() as work:
        answer = work.entries(state=state, company=company)
    headers = ("id", "day", "kind", "state", "amount", "reference", "ledger_id", "age", "why")
    shell.answer(answer, lambda a: table([[r[h] for h in headers] for r in a["entries"]], headers, right=(0, 4)))


@entries.command("show")
@click.argument("entry", metavar="ID", help="Entry id (`tieout entries list`) or TO-reference.")
@common
def entries_show(shell: Shell, entry: str) -> None:
    """One entry by id or TO-reference: its lines, each attempt to deliver it, what the ledger answered."""
    with shell.workspace() as work:
        answer = work.entry(entry)
    shell.answer(answer, _show_text)


def _show_text(answer: Answer) -> str:
    plain = ("id", "number", "day", "period", "kind", "state", "amount", "reference", "ledger_id", "revision", "why")
    lines = [f"{name}: {answer[name]}" for name in plain if answer[name] not in (None, "")]
    lines += ["", answer["narration"], *(f"    {x['account']:<48} {x['amount']:>16}" for x in answer["lines"])]
    lines += ["", "attempts:", *(f"    {x['at']}  {x['outcome']}  {x['detail']}".rstrip() for x in answer["attempts"])]
    lines += [f"    {x['at']}  the ledger holds it as {x['ledger_id']}" for x in answer["receipts"]]
    lines += [
        f"also: entry {x['id']} part {x['part']} revision {x['revision']}: {x['state']}" for x in answer["related"]
    ]
    return "\n".join([*lines, *(f"next: {step}" for step in answer["next"])])


@entries.command("decide")
@click.argument("entry", metavar="ID", help="Entry id (`tieout entries list`) or TO-reference.")
@click.option(
    "--posted-as", metavar="LEDGER_ID", default=None, help="It is in the ledger under this id of the ledger's."
)
@click.option("--absent", is_flag=True, help="It is not in the ledger: withdraw it and plan it again.")
@click.option("--reason", required=True, metavar="TEXT", help="How you know; kept in the audit trail.")
@common
def entries_decide(shell: Shell, entry: str, posted_as: str | None, absent: bool, reason: str) -> None:
    """Say what became of a parked entry. The ledger is asked first; what it shows overrules."""
    if (posted_as is None) == (not absent):
        raise click.UsageError("say either --posted-as LEDGER_ID or --absent")
    with shell.workspace() as work:
        answer = work.decide_entry(entry, posted_as=posted_as, reason=reason)
    shell.answer(answer, _decided_text)


def _decided_text(answer: dict[str, Any] | Answer) -> str:
    if answer["decided"] == "absent":
        return f"entry {answer['entry']} withdrawn, planned again as entry {answer['planned_again']}\nnext: {answer['next']}"
    seen = "as the ledger shows" if answer["verified"] else "on your word; the next tie-out compares it"
    return f"entry {answer['entry']} is posted as {answer['ledger_id']}, {seen}\nnext: {answer['next']}"
