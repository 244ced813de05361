"""Commands that look after data: exceptions, items/locations/parties, mapping, db."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click

from tieout.cli.shell import Answer, Shell, common, table

USAGE = 2
NOT_TIED_OUT = 3
Kind = Literal["item", "location", "party"]


@click.group()
def exceptions() -> None:
    """What could not go on, with amount and fix. Nothing is lost; everything else went on."""


@exceptions.command("list")
@click.option(
    "--state",
    type=click.Choice(["open", "resolved", "ignored", "all"]),
    default="open",
    show_default=True,
    help="Only exceptions in this state.",
)
@click.option("--owner", default=None, metavar="NAME", help="Only what this person looks after.")
@common
def exceptions_list(shell: Shell, state: str, owner: str | None) -> None:
    """List exceptions with stage, age, amount and fix."""
    with shell.workspace() as work:
        answer = work.exceptions(state=state, owner=owner)
    headers = ("id", "stage", "code", "age", "amount", "owner", "what", "fix")
    shell.answer(
        answer,
        lambda a: table(
            [[r[h] if h != "what" else r["message"] for h in headers] for r in a["exceptions"]], headers, right=(0, 4)
        ),
    )


@exceptions.command("show")
@click.argument("number", type=int, help="Number of the exception (`tieout exceptions list`).")
@common
def exceptions_show(shell: Shell, number: int) -> None:
    """One exception with the original record."""
    with shell.workspace() as work:
        answer = work.exception(number)
    shell.answer(answer, lambda a: "\n".join(f"{key}: {value}" for key, value in a.items()))


@exceptions.command("retry")
@click.argument("numbers", nargs=-1, type=int, help="Numbers of exceptions (`tieout exceptions list`).")
@click.option("--all", "everything", is_flag=True, help="Every open exception.")
@common
def exceptions_retry(shell: Shell, numbers: tuple[int, ...], everything: bool) -> None:
    """Try again with today's mapping and master data; what works now is posted exactly once."""
    with shell.workspace() as work:
        answer = work.retry(numbers, everything=everything)
    shell.answer(answer, lambda a: f"{a['resolved']} resolved, {a['still_open']} still open, {a['events']} events")


def _closing(verb: str, what: str) -> None:
    @exceptions.command(verb, help=what)
    @click.argument(
        "numbers", nargs=-1, type=int, required=True, help="Numbers of exceptions (`tieout exceptions list`)."
    )
    @click.option("--reason", required=True, help="Why; kept in the audit trail.")
    @common
    def command(shell: Shell, numbers: tuple[int, ...], reason: str) -> None:
        with shell.workspace() as work:
            answer = work.close_exceptions(numbers, verb=verb, reason=reason)
        shell.answer(answer, lambda a: f"{a['done']} {verb}d")


_closing("resolve", "Say that it was settled outside, with the reason.")
_closing("ignore", "Say that it will never be posted, with the reason.")


@exceptions.command("assign")
@click.argument("numbers", nargs=-1, type=int, required=True, help="Numbers of exceptions (`tieout exceptions list`).")
@click.option("--to", "owner", required=True, metavar="NAME", help="Who looks after them from now on.")
@common
def exceptions_assign(shell: Shell, numbers: tuple[int, ...], owner: str) -> None:
    """Give exceptions an owner."""
    with shell.workspace() as work:
        answer = work.assign(numbers, owner)
    shell.answer(answer, lambda a: f"{a['done']} assigned to {owner}")


def _teach(kind: Kind, plural: str, can_merge: bool) -> click.Group:
    """`items`, `locations` and `parties` are taught the same way."""

    @click.group(plural, help=f"Teach {plural}: what is unmapped, aliases, imports.")
    def group() -> None: ...

    @group.command(
        "unmapped", help=f"Unknown {plural} in open exceptions, with counts, amounts and the nearest known code."
    )
    @common
    def unmapped(shell: Shell) -> None:
        with shell.workspace() as work:
            answer = work.unmapped(kind)
        headers = ("connection", "external", "count", "amount", "nearest")
        shell.answer(answer, lambda a: table([[r[h] for h in headers] for r in a["unmapped"]], headers, right=(2, 3)))

    @group.command("alias", help="Say that a vendor's id means one of ours, from a day on.")
    @click.argument("external", help="The vendor's id, as it comes in.")
    @click.argument("code", help="Our code it stands for.")
    @click.option("--connection", default="", help="Only for this connection (default: all).")
    @click.option("--from", "effective", default=None, help="From this day (default: always).")
    @click.option(
        "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
    )
    @common
    def alias(shell: Shell, **how: Any) -> None:
        with shell.workspace() as work:
            answer = work.alias(kind, **how)
        shell.answer(
            answer, lambda a: f"{how['external']} means {how['code']}; {a['waiting']} exceptions can be retried"
        )

    @group.command("import", help="Load from CSV or JSON; every bad row is named, good ones go in.")
    @click.argument(
        "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV or JSON file of master data."
    )
    @click.option(
        "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
    )
    @common
    def import_(shell: Shell, file: Path, company: str | None) -> None:
        with shell.workspace() as work:
            answer = work.import_master(kind, file, company=company)
        shell.answer(
            answer, lambda a: "\n".join([f"{a['imported']} imported, {a['unchanged']} unchanged", *a["refused"]])
        )

    if can_merge:

        @group.command("merge", help="Merge one item into another: alias and stock move with their layers (ADJ-10).")
        @click.argument("old", help="Item (SKU) that goes.")
        @click.argument("new", help="Item (SKU) that takes over its stock.")
        @click.option("--at", "day", required=True, help="Day of the change (YYYY-MM-DD).")
        @click.option(
            "--company",
            default=None,
            metavar="CODE",
            help="Company, by its code in tieout.toml (default: the only one).",
        )
        @common
        def merge(shell: Shell, **how: Any) -> None:
            with shell.workspace() as work:
                answer = work.merge_items(**how)
            shell.answer(
                answer, lambda a: f"{how['old']} merged into {how['new']}: {a['quantity']} units move with their layers"
            )

    return group


items = _teach("item", "items", can_merge=True)


@items.command("facts", help="Load dated facts: bills of materials, routings, prices, rates, standard costs, NRV.")
@click.argument(
    "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV (a table a file) or JSON of facts."
)
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@common
def items_facts(shell: Shell, file: Path, company: str | None) -> None:
    with shell.workspace() as work:
        answer = work.import_facts(file, company=company)
    shell.answer(answer, lambda a: f"{a['imported']} imported, {a['unchanged']} unchanged")


locations = _teach("location", "locations", can_merge=False)
parties = _teach("party", "parties", can_merge=False)


@click.group()
def mapping() -> None:
    """Check, test and explain mapping files."""


@mapping.command("check")
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Mapping files (default: all the project uses).",
)
@common
def mapping_check(shell: Shell, files: tuple[Path, ...]) -> None:
    """Every slip in mapping files at once, offline, with its place (default: all files the project uses)."""
    from tieout.workspace import check_mappings

    answer = check_mappings(shell.folder, files)
    shell.answer(
        answer,
        lambda a: "\n".join(
            [*(f"{s['where']}: {s['what']}" for s in a["slips"]), f"{a['files']} files, {len(a['slips'])} slips"]
        ),
    )
    if answer["slips"]:
        click.get_current_context().exit(USAGE)


@mapping.command("test")
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Mapping files (default: all the project uses).",
)
@common
def mapping_test(shell: Shell, files: tuple[Path, ...]) -> None:
    """Run the tests that stand in the mapping files."""
    from tieout.workspace import test_mappings

    answer = test_mappings(shell.folder, files)
    shell.answer(answer, lambda a: "\n".join([*a["failures"], f"{a['passed']} passed, {len(a['failures'])} failed"]))
    if answer["failures"]:
        click.get_current_context().exit(USAGE)


@mapping.command("explain")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Mapping file.")
@common
def mapping_explain(shell: Shell, file: Path) -> None:
    """A mapping as a table a person can read: event field, source field, how."""
    from tieout.workspace import explain_mapping

    answer = explain_mapping(file)
    shell.answer(answer, lambda a: str(a["text"]))


@mapping.command("reapply")
@click.argument("stream", metavar="CONNECTION/STREAM", help="Stream of a connection, as in tieout.toml.")
@click.option("--from", "since", default=None, metavar="DAY", help="Only records with an event on or after this day.")
@click.option("--company", default=None, metavar="CODE", help="Company of the connection, if its name does not say it.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Save the plan for `apply`.")
@common
def mapping_reapply(shell: Shell, stream: str, since: str | None, company: str | None, out: Path | None) -> None:
    """Plan to map records that landed earlier with today's mapping. Exit 3 when something would change.

    Nothing changes until the saved plan is applied with `tieout apply FILE`, by a second person where it moves more than
    the company's approval_threshold."""
    with shell.workspace() as work:
        answer = work.reapply(stream, company=company, since=since, save=out is not None)
    if out is not None and not answer["empty"]:
        out.write_text(json.dumps(answer, indent=1, default=str), encoding="utf-8")
        shell.say(f"saved to {out}; apply it with: tieout apply {out}")
    shell.answer(answer, _reapply_text)
    if not answer["empty"]:
        click.get_current_context().exit(NOT_TIED_OUT)


def _reapply_text(answer: Answer) -> str:
    changes, currency = answer["changes"], answer["currency"]
    lines = [
        f"{answer['records']} records of {answer['stream']} mapped with version {answer['mapping']}: "
        + ", ".join(f"{count} {name}" for name, count in changes.items())
        + " (events; held and refused become exceptions)"
    ]
    if answer["empty"]:
        return "\n".join([*lines, "Nothing to apply: every event stays as it is."])
    where = f", periods {', '.join(answer['periods'])}" if answer["periods"] else ""
    lines.append(f"{answer['count']} entries would be posted, {answer['amount']} {currency} in all{where}.")
    for entry in answer["entries"][:20]:
        lines.append(f"\n{entry['day']}  {entry['narration']}  [{entry['why']}]")
        lines += [f"    {row['account']:<48} {row['amount']:>16} {currency}" for row in entry["lines"]]
    if answer["count"] > 20:
        lines.append(f"\n… and {answer['count'] - 20} more (--json shows all)")
    if answer["needs_approval"]:
        lines.append("above approval_threshold: a second person has to apply it")
    return "\n".join(lines)


@mapping.command("coverage")
@click.argument("connection", help="Name of the connection in tieout.toml.")
@click.argument("stream", help="Stream of a connection, as in tieout.toml.")
@common
def mapping_coverage(shell: Shell, connection: str, stream: str) -> None:
    """Source fields nobody reads, from the records that have landed."""
    with shell.workspace() as work:
        answer = work.mapping_coverage(connection, stream)
    shell.answer(
        answer,
        lambda a: "\n".join(
            [*(f"unread: {name}" for name in a["unread"]), f"{a['read']} of {a['fields']} fields are read"]
        ),
    )


@click.group()
def db() -> None:
    """Upgrade, back up, restore, move and verify the database."""


@db.command("upgrade")
@common
def db_upgrade(shell: Shell) -> None:
    """Bring the database to this version's tables."""
    from tieout.workspace import db_upgrade as upgrade

    shell.answer(upgrade(shell.folder), lambda a: f"database is at version {a['version']}")


@db.command("backup")
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False), help="File to write; an existing one is never overwritten."
)
@common
def db_backup(shell: Shell, file: Path) -> None:
    """A consistent copy with its SHA-256, taken while work goes on."""
    with shell.workspace() as work:
        answer = work.backup(file)
    shell.answer(answer, lambda a: f"{a['file']}  {a['bytes']} bytes  sha256 {a['sha256']}")


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Backup to put in place.")
@common
def db_restore(shell: Shell, file: Path) -> None:
    """Put a backup in place; every delivery since is looked up in the ledger before anything is written."""
    from tieout.workspace import db_restore as restore

    shell.answer(
        restore(shell.folder, file, shell.actor), lambda a: "\n".join(f"{key}: {value}" for key, value in a.items())
    )


@db.command("move")
@click.argument("url", help="Empty database to move to: `postgresql://…`, `sqlite:///FILE` or `env:NAME`.")
@common
def db_move(shell: Shell, url: str) -> None:
    """Move everything to another database, table by table tied out; the old one is kept and not opened any more.

    Stop what serves the project first. Nothing is moved when anything fails.
    """
    from tieout.workspace import db_move as move

    shell.answer(move(shell.folder, url, shell.actor or "tieout", shell.say), _moved_text)


def _moved_text(answer: Answer) -> str:
    rows = [(one["table"], f"{one['rows']:,}", one["sha256"][:16]) for one in answer["tables"]]
    told = f"every table ties out in {answer['to']}\nnow change {answer['change']}"
    return table(rows, ("table", "rows", "digest"), right=(1,)) + "\n" + told


@db.command("verify")
@common
def db_verify(shell: Shell) -> None:
    """Integrity, audit chains, page hashes, append-only triggers, caches rebuilt and compared."""
    with shell.workspace() as work:
        answer = work.verify()
    shell.answer(answer, _verify_text)
    if not answer["ok"]:
        click.get_current_context().exit(1)


def _verify_text(answer: Answer) -> str:
    return table([("ok" if c["ok"] else "FAILED", c["what"], c["detail"]) for c in answer["checks"]], ("", "check", ""))
