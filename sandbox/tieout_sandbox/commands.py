"""`tieout sandbox`: vendors on this machine, faults by name, scenarios that judge themselves, and their rollback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

NOT_TIED_OUT: Final = 3
VENDORS: Final = ("shopify", "quickbooks", "xero")


def _json(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)


def _answer(data: Any, as_json: bool, human: Callable[[Any], str]) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False) if as_json else human(data))


@click.group()
def sandbox() -> None:
    """Simulated vendors, faults and scenarios; nothing here touches real books."""


@sandbox.command()
@click.option("--shopify", is_flag=True, help="Start the shop.")
@click.option("--quickbooks", is_flag=True, help="Start QuickBooks.")
@click.option("--xero", is_flag=True, help="Start Xero.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the vendors' data here.")
@click.option("--fault-seed", type=int, help="Let calls go wrong, drawn from this seed.")
@click.option("--for", "seconds", type=float, help="Stop after so many seconds (default: until Ctrl-C).")
@_json
def start(folder: Path | None, fault_seed: int | None, seconds: float | None, as_json: bool, **wanted: bool) -> None:
    """Start vendors as servers on this machine, with a piece of tieout.toml for each."""
    from tieout_sandbox import servers

    with ExitStack() as stack:
        chosen = [name for name in VENDORS if wanted[name]] or VENDORS
        rows = [servers.start(stack, name, folder, fault_seed) for name in chosen]
        _answer({"servers": rows}, as_json, lambda d: "\n\n".join(_server(row) for row in d["servers"]))
        try:
            threading.Event().wait(seconds)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


def _server(row: dict[str, Any]) -> str:
    return f"{row['name']} listens on {row['address']}\n{row['note']}\n\n{row['config']}"


@sandbox.command()
@click.argument("connection", help="Connection, by its name in tieout.toml.")
@click.option("--code", required=True, help="The code `tieout sandbox start` printed; good for one use.")
@click.option(
    "-C",
    "--project",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Project folder (default: here).",
)
@_json
def connect(connection: str, code: str, folder: Path, as_json: bool) -> None:
    """Consent for a connection to a started simulator, as a person would in the browser."""
    from tieout_sandbox import servers

    answer = servers.connect(folder, connection, code)
    _answer(answer, as_json, lambda d: f"{d['connection']} is connected")


@sandbox.command()
@_json
def faults(as_json: bool) -> None:
    """What can go wrong in a call, and what becomes of it."""
    from tieout import table
    from tieout_sandbox.simulators.faults import FAULTS

    rows = [
        {"fault": f.name, "seen": f.seen, "done": f.effect, "calls": f.calls, "row": f.row} for f in FAULTS.values()
    ]
    shown = [(r["fault"], r["seen"], "yes" if r["done"] else "no", r["calls"], r["row"]) for r in rows]
    head = ("fault", "what the client sees", "was it done", "calls", "row")
    _answer({"faults": rows}, as_json, lambda _: table(shown, head))


@sandbox.command()
@_json
def scenarios(as_json: bool) -> None:
    """The named scenarios."""
    from tieout import table
    from tieout_sandbox.scenarios import SCENARIOS

    rows = [{"name": s.name, "title": s.title, "events": s.kinds.split()} for s in SCENARIOS.values()]
    _answer(
        {"scenarios": rows},
        as_json,
        lambda _: table([(s.name, s.title) for s in SCENARIOS.values()], ("scenario", "about")),
    )


@sandbox.command()
@click.argument("scenario", help="Its name (`tieout sandbox scenarios`).")
@click.option(
    "--ledger",
    type=click.Choice(["quickbooks", "xero", "beancount"]),
    default="quickbooks",
    show_default=True,
    help="Whose books to post to.",
)
@click.option("--seed", type=int, default=0, help="Which business.")
@click.option("--faults", "fault_seed", type=int, help="Let calls go wrong, drawn from this seed.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the project and the books here.")
@_json
@click.pass_context
def run(
    ctx: click.Context,
    scenario: str,
    ledger: str,
    seed: int,
    fault_seed: int | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Play a scenario in this process, in simulated time, and judge the ledger's own books."""
    from tieout_sandbox.scenarios import perform

    answer = perform(scenario, ledger=ledger, seed=seed, fault_seed=fault_seed, folder=folder)
    _answer(answer, as_json, _told)
    if not answer["ok"]:
        ctx.exit(NOT_TIED_OUT)


def _told(answer: dict[str, Any]) -> str:
    happened = ", ".join(f"{name} {count}" for name, count in answer["faults_happened"].items()) or "none"
    lines = [
        f"{answer['scenario']} → {answer['ledger']}, seed {answer['seed']}",
        *(f"  {step}" for step in answer["steps"]),
        f"faults: {happened}",
        f"a person had to consent anew {answer['consents']} times"
        if answer["consents"]
        else "nobody had to consent anew",
        f"{answer['documents']} documents in {answer['runs']} runs: {answer['lost']} lost, {answer['doubled']} doubled",
        f"unexplained {answer['unexplained']}",
    ]
    for failure in answer["failures"]:
        lines.append(f"FAILED at {failure['step']}: {failure['what']}")
        lines += [f"    {document}" for document in failure["documents"]]
        lines.append(f"    owner {failure['owner']}" + (f"; {failure['fix']}" if failure["fix"] else ""))
    if answer["rollback"]:
        lines.append(f"undo with: tieout sandbox rollback {answer['rollback']}")
    if answer["folder"]:
        lines.append(f"project and books in {answer['folder']}")
    return "\n".join(lines)


@sandbox.command()
@click.argument(
    "plan", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Rollback plan that a failed run wrote."
)
@_json
@click.pass_context
def rollback(ctx: click.Context, plan: Path, as_json: bool) -> None:
    """Undo in the simulated ledger what a failed scenario left there, and verify every account."""
    from tieout_sandbox.scenarios.rollback import execute

    answer = execute(plan)

    def human(done: dict[str, Any]) -> str:
        acts = [f"{a['kind']} {a['number']} {a['reference']} ({a['why']}): {a['done']}" for a in done["actions"]]
        last = "verified: every account is as it must be" if done["verified"] else "NOT as it must be:"
        return "\n".join([*acts, last, *done["differences"]])

    _answer(answer, as_json, human)
    if not answer["verified"]:
        ctx.exit(NOT_TIED_OUT)
