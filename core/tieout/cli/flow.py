"""Commands of the main job: pull, plan, apply, run, status, reconcile, approvals, cutover."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from tieout.cli.shell import Answer, Shell, common, table

NOT_TIED_OUT = 3
PARTLY_DONE = 6


@click.command()
@click.option("--company", default=None, help="Only this company.")
@click.option("--connection", default=None, help="Only this connection.")
@click.option("--stream", default=None, help="Only this stream.")
@common
def pull(shell: Shell, company: str | None, connection: str | None, stream: str | None) -> None:
    """Fetch new records from the sources, land them with their bytes, and map them to events."""
    with shell.workspace() as work:
        answer = work.pull(company=company, connection=connection, stream=stream)
    shell.answer(answer, _pull_text)
    _exit(PARTLY_DONE if answer["held"] else 0)


def _pull_text(answer: Answer) -> str:
    rows = [
        (
            s["connection"],
            s["stream"],
            s["records"],
            s["duplicates"],
            s["events"],
            s["skipped"],
            s["exceptions"],
            s["note"],
        )
        for s in answer["streams"]
    ]
    headers = ("connection", "stream", "records", "duplicates", "events", "skipped", "exceptions", "")
    return table(rows, headers, right=(2, 3, 4, 5, 6))


@click.command()
@click.option("--company", default=None, help="Only this company.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Save the plan for `apply`.")
@click.option("--restate", is_flag=True, help="Also what a changed account map, policy or mapping would restate.")
@click.option("--all", "everything", is_flag=True, help="Show every entry, not only the first 20.")
@common
def plan(shell: Shell, company: str | None, out: Path | None, restate: bool, everything: bool) -> None:
    """Show what would be posted and why, before anything is written. Exit 3 when there is something to post."""
    with shell.workspace() as work:
        answer = work.plan(company=company, restate=restate)
    if out is not None:
        import json

        out.write_text(json.dumps(answer, indent=1, default=str))
        shell.say(f"saved to {out}; apply it with: tieout apply {out}")
    shell.answer(answer, lambda a: _plan_text(a, everything))
    _exit(0 if answer["empty"] else NOT_TIED_OUT)


def _plan_text(answer: Answer, everything: bool) -> str:
    if answer["empty"]:
        return "Nothing to post: what should be posted is posted."
    entries = answer["entries"] if everything else answer["entries"][:20]
    lines = [
        f"{answer['count']} entries would be posted ({answer['events']} events, periods {', '.join(answer['periods'])})."
    ]
    for entry in entries:
        lines.append(f"\n{entry['day']}  {entry['narration']}  [{entry['why']}]")
        lines += [f"    {row['account']:<48} {row['amount']:>16} {answer['currency']}" for row in entry["lines"]]
    if len(entries) < answer["count"]:
        lines.append(f"\n… and {answer['count'] - len(entries)} more (--all)")
    return "\n".join(lines)


@click.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Plan saved with --out.")
@common
def apply(shell: Shell, saved: Path) -> None:
    """Post a plan saved by `tieout plan --out`. A plan that no longer fits what is known is refused."""
    import json

    with shell.workspace() as work:
        answer = work.apply(json.loads(saved.read_text()))
    shell.answer(answer, lambda a: f"Posted {a['entries']} entries ({a['bookings']} bookings).")


@click.command()
@click.option("--company", default=None, help="Only this company.")
@click.option("--seal-now", is_flag=True, help="Seal today's entries now instead of waiting for the day to be over.")
@common
def run(shell: Shell, company: str | None, seal_now: bool) -> None:
    """The main job once: pull, map, value, post, deliver, reconcile. Exit 3 when something does not tie out."""
    with shell.workspace() as work:
        answer = work.run(company=company, seal_now=seal_now)
    shell.answer(answer, run_text)
    _exit(int(answer["exit_code"]))


def run_text(answer: Answer) -> str:
    """The table at the end of a run, for one or several companies."""
    return "\n\n".join(status_text(company) for company in answer["companies"])


@click.command()
@click.option("--company", default=None, help="Only this company.")
@common
def status(shell: Shell, company: str | None) -> None:
    """Where everything stands: records, events, entries, exceptions, freshness, and the tie-out."""
    with shell.workspace() as work:
        answer = work.status(company=company)
    shell.answer(answer, lambda a: "\n\n".join(status_text(c) for c in a["companies"]))
    _exit(0 if answer["tied_out"] else NOT_TIED_OUT)


def _levels(levels: Answer | None) -> list[str]:
    """One line on objectives; none where nothing was looked at yet."""
    if levels is None or levels["oldest_look_seconds"] is None:
        return []
    missed = "; ".join(levels["missed"]) or "kept this month"
    told = f"   alerts: {'; '.join(levels['alerts'])}" if levels["alerts"] else ""
    return [f"  service levels {missed}   oldest look {levels['oldest_look_seconds']} s ago{told}"]


def status_text(company: Answer) -> str:
    counts = company["counts"]
    lines = [f"{company['company']}  ({company['currency']}, as of {company['as_of']})"]
    names = ("records", "duplicates", "skipped", "events", "entries", "delivered", "waiting", "exceptions")
    lines.append("  " + "   ".join(f"{name} {counts[name]}" for name in names))
    lines += _levels(company.get("service_levels"))
    rows = [
        (r["account"], r["role"], r["subledger"], r["journal"], r["ledger"], r["difference"])
        for r in company["accounts"]
    ]
    headers = ("account", "role", "subledger", "journal", "ledger", "difference")
    lines += ["", _indent(table(rows, headers, right=(2, 3, 4, 5)))]
    places = [
        (r["location"], r["source"], r["subledger"], r["difference"], r["items_differing"])
        for r in company["locations"]
    ]
    lines += [
        "",
        _indent(table(places, ("location", "source qty", "subledger qty", "difference", "items"), right=(1, 2, 3, 4))),
    ]
    causes = [(d["cause"], d["count"], d["amount"], d["quantity"]) for d in company["differences"]]
    if causes:
        lines += ["", _indent(table(causes, ("explained by", "count", "amount", "quantity"), right=(1, 2, 3)))]
    if company["held"]:
        known = sum((abs(Decimal(h["amount"])) for h in company["held"] if h["amount"]), Decimal(0))
        unknown = sum(h["amount"] is None for h in company["held"])
        more = f" and {unknown} of unknown amount" if unknown else ""
        lines += [
            "",
            f"  kept out of the books: {len(company['held'])} exceptions, {known} {company['currency']}{more}",
        ]
    verdict = "tied out" if company["tied_out"] else "NOT tied out"
    if not company["tied_out"] and not company["unexplained"].strip("0.-"):
        verdict += ": quantities differ"
    lines += ["", f"  {verdict}, unexplained {company['unexplained']}"]
    lines += [f"  next: {step}" for step in company.get("next", [])]
    return "\n".join(lines)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


@click.command()
@click.option("--company", default=None, help="Only this company.")
@click.option("--as-of", default=None, help="A day (YYYY-MM-DD) or an instant; default: the latest snapshot.")
@common
def reconcile(shell: Shell, company: str | None, as_of: str | None) -> None:
    """Tie source stock, subledger and general ledger out, and name every difference. Exit 3 when it does not."""
    with shell.workspace() as work:
        answer = work.reconcile(company=company, as_of=as_of)
    shell.answer(answer, _reconcile_text)
    _exit(0 if answer["tied_out"] else NOT_TIED_OUT)


def _reconcile_text(answer: Answer) -> str:
    parts = []
    for company in answer["companies"]:
        parts.append(status_text(company))
        details = [
            (
                d["cause"],
                d.get("document", ""),
                d.get("item", ""),
                d.get("location", ""),
                d["amount"],
                d["quantity"],
                d["what"],
            )
            for d in company["details"]
        ]
        if details:
            headers = ("cause", "document", "item", "location", "amount", "quantity", "what")
            parts.append(_indent(table(details, headers, right=(4, 5))))
        held = [(h["exception"], h["stage"], h["code"], h["amount"] or "not known", h["what"]) for h in company["held"]]
        if held:
            named = ("exception", "stage", "code", f"amount {company['currency']}", "kept out of the books because")
            parts.append(_indent(table(held, named, right=(0, 3))))
    return "\n\n".join(parts)


@click.group()
def approvals() -> None:
    """What waits for a second person. The preparer cannot approve."""


@approvals.command("list")
@common
def approvals_list(shell: Shell) -> None:
    """List what waits for approval."""
    with shell.workspace() as work:
        answer = work.approvals()
    shell.answer(
        answer,
        lambda a: table(
            [(r["id"], r["what"], r["day"], r["amount"], r["prepared_by"]) for r in a["waiting"]],
            ("id", "what", "day", "amount", "prepared by"),
            right=(3,),
        ),
    )


@approvals.command("approve")
@click.argument("ids", nargs=-1, required=True, help="Ids from `tieout approvals list`, or `all`.")
@common
def approvals_approve(shell: Shell, ids: tuple[str, ...]) -> None:
    """Approve, by somebody who did not prepare it; `all` approves everything that waits."""
    with shell.workspace() as work:
        answer = work.approve(ids)
    shell.answer(answer, lambda a: f"approved {a['done']}")


@approvals.command("reject")
@click.argument("ids", nargs=-1, required=True, help="Ids from `tieout approvals list`, or `all`.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit trail.")
@common
def approvals_reject(shell: Shell, ids: tuple[str, ...], reason: str) -> None:
    """Reject: withdrawn with a record, and planned again with what is known then."""
    with shell.workspace() as work:
        answer = work.reject(ids, reason)
    shell.answer(answer, lambda a: f"rejected {a['done']}")


@click.command()
@click.argument(
    "opening",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV with item, location, quantity, value.",
)
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@click.option("--at", "go_live", required=True, help="Go-live day (YYYY-MM-DD): openings stand at its start.")
@click.option("--ledger-carries", is_flag=True, help="The ledger already has the balance (OPN-02): nothing is posted.")
@click.option("--approve-difference", default=None, help="Reason that explains a difference to the ledger (OPN-03).")
@common
def cutover(shell: Shell, opening: Path, company: str | None, go_live: str, **how: Any) -> None:
    """Load opening quantities and values from a CSV (item, location, quantity, value), prove them, set go-live."""
    with shell.workspace() as work:
        answer = work.cutover(opening, company=company, go_live=go_live, **how)
    shell.answer(answer, lambda a: "\n".join(f"{key}: {value}" for key, value in a.items()))


def _exit(code: int) -> None:
    if code:
        click.get_current_context().exit(code)
