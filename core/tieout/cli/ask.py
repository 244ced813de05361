"""Commands that answer questions and write nothing: trace, explain, value, valuation, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tieout.cli.shell import Answer, Shell, common, table


@click.command()
@click.argument("anything", help="SKU, vendor document, event id or the beginning of one, entry number, TO-reference.")
@common
def trace(shell: Shell, anything: str) -> None:
    """The whole chain behind an id (SKU, vendor document, event, entry, TO-reference), and from it forward."""
    with shell.workspace() as work:
        answer = work.trace(anything)
    shell.answer(answer, _trace_text)


def _trace_text(answer: Answer) -> str:
    lines = [f"{answer['kind']} {answer['id']}"]
    for record in answer["records"]:
        lines.append(
            f"\nrecord {record['key']}  {record['source']}  revision {record['revision'] or '–'}  sha256 {record['sha256'][:16]}…"
        )
    for event in answer["events"]:
        lines.append(
            f"\nevent {event['id'][:20]} {event['type']} {event['effective_at']} {event['item'] or ''} "
            f"{event['quantity']} {event['location'] or ''} document {event['document'] or '–'} mapping {event['mapping']}"
            + ("" if event["counts"] else f"  (no longer counts: {event['why']})")
        )
        lines += [
            f"    {b['row']}  Dr {b['debit']}  Cr {b['credit']}  {b['amount']}  qty {b['quantity']}"
            + (f"  restates {b['affected'][:20]}" if b["affected"] else "")
            + ("  provisional" if b["provisional"] else "")
            + "".join(
                f"\n        from {x['document'] or x['origin'][:20]}: {x['quantity']} for {x['value']}"
                for x in b["layers"] or ()
            )
            + f"  → entry {b['entry']}"
            for b in event["bookings"]
        ] or [f"    nothing posted: {event['reason']}"]
        for arrow, way in (("restates", "affects"), ("restated by", "affected_by")):
            lines += [f"    {arrow} {x['document'] or x['event'][:20]}: {x['amount']}, {x['row']}" for x in event[way]]
    for entry in answer["entries"]:
        lines.append(
            f"\nentry {entry['number'] or entry['id']} {entry['day']} {entry['state']} {entry['reference'] or ''} ledger id {entry['ledger_id'] or '–'}"
        )
        lines += [f"    {row['account']:<48} {row['amount']:>16}" for row in entry["lines"]]
    return "\n".join(lines)


@click.command()
@click.argument(
    "topic",
    nargs=-1,
    required=True,
    help="What to explain: a code, role, row or event type; or cost-of MOVEMENT; or account-of ROLE.",
)
@common
def explain(shell: Shell, topic: tuple[str, ...]) -> None:
    """Why: `explain cost-of MOVEMENT`, `explain account-of ROLE [--…]`, an error code (TO3201), a role, a row, an event type."""
    from tieout.workspace import explain_topic

    answer = explain_topic(topic)
    if answer is None:
        with shell.workspace() as work:
            answer = work.explain(topic)
    shell.answer(answer, lambda a: str(a["text"]))


@click.command()
@click.argument(
    "events",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON Lines file, an event a line (`tieout schema events`).",
)
@click.option("--policy", "policies", multiple=True, metavar="NAME=VALUE", help="Such as cost_method=weighted_average.")
@click.option("--currency", default="USD", show_default=True, help="The company's currency (ISO 4217).")
@click.option("--timezone", default="UTC", show_default=True, help="The company's time zone.")
@click.option(
    "--items", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, help="Item master CSV."
)
@click.option(
    "--facts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Dated facts, CSV or JSON: bills of materials, routings, prices, rates, standard costs.",
)
@click.option("--as-known", type=int, default=None, metavar="N", help="Only the first N records were known.")
@click.option("--compare", default=None, metavar="M1,M2", help="Cost methods side by side.")
@common
def value(shell: Shell, events: Path, policies: tuple[str, ...], compare: str | None, **how: Any) -> None:
    """Value a JSON Lines file of canonical events: costs, restatements, layers, balances. Needs no project."""
    from tieout.workspace import value_file

    answer = value_file(events, policies=policies, compare=compare, **how)
    shell.answer(answer, _value_text)


def _value_text(answer: Answer) -> str:
    if "methods" in answer:
        rows = [
            (m["method"], m["inventory"], m["cost_of_sales"], m["variances"], m["losses"], m["total"])
            for m in answer["methods"]
        ]
        headers = ("method", "inventory", "cost of sales", "variances", "losses", "together")
        return table(rows, headers, right=(1, 2, 3, 4, 5))
    events = [
        (e["event"], e["line"], e["type"], e["item"], e["quantity"], e["cost"], e["final_cost"], e["status"])
        for e in answer["events"]
    ]
    items = [(i["item"], i["location"], i["quantity"], i["value"], i["unit_cost"]) for i in answer["items"]]
    text = table(events, ("event", "line", "type", "item", "quantity", "cost", "final cost", "status"), right=(4, 5, 6))
    text += "\n\n" + table(items, ("item", "location", "quantity", "value", "unit cost"), right=(2, 3, 4))
    for refusal in answer["refused"]:
        text += f"\nrefused {refusal['event']}: {refusal['code']} {refusal['message']}"
    return text


@click.command()
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@click.option("--as-of", default=None, help="A day (YYYY-MM-DD); default: now.")
@click.option("--as-known", default=None, help="An instant: only what had been received by then.")
@click.option("--layers", is_flag=True, help="Show cost layers.")
@common
def valuation(shell: Shell, company: str | None, as_of: str | None, as_known: str | None, layers: bool) -> None:
    """Stock quantity and value per item and location as of a date, with layers and control totals."""
    with shell.workspace() as work:
        answer = work.valuation(company=company, as_of=as_of, as_known=as_known, layers=layers)
    shell.answer(answer, lambda a: _valuation_text(a, layers))


def _valuation_text(answer: Answer, layers: bool) -> str:
    rows = [(i["item"], i["location"], i["quantity"], i["value"], i["unit_cost"]) for i in answer["items"]]
    text = table(rows, ("item", "location", "quantity", "value", "unit cost"), right=(2, 3, 4))
    if layers:
        depth = [
            (i["item"], layer["date"], layer["origin"], layer["quantity"], layer["value"])
            for i in answer["items"]
            for layer in i["layers"]
        ]
        text += "\n\n" + table(depth, ("item", "date", "from", "quantity", "value"), right=(3, 4))
    text += f"\n\n{answer['rows']} rows, value {answer['value']} {answer['currency']}, as of {answer['as_of']}"
    if answer.get("journal") is not None:
        text += f"\njournal {answer['journal']}, difference {answer['difference']}"
    return text


@click.command()
@click.argument(
    "form",
    metavar="beancount|hledger|csv|jsonl|PLUGIN'S",
    help="Format: beancount, hledger, csv, jsonl, or a plugin's.",
)
@click.option(
    "--company", default=None, metavar="CODE", help="Company, by its code in tieout.toml (default: the only one)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="File (default: stdout); a folder with --lots."
)
@click.option("--lots", is_flag=True, help="beancount: stock as lots, a file a period; bean-check books them again.")
@click.option("--period", default=None, help="With --lots: only this period, such as 2026-01.")
@common
def export(shell: Shell, form: str, company: str | None, out: Path | None, lots: bool, period: str | None) -> None:
    """Write the journal in a format other programs read."""
    if lots:
        _export_lots(shell, form, company, out, period)
        return
    with shell.workspace() as work:
        answer = work.export(form, company=company)
    if out is not None:
        out.write_text(answer["text"])
        shell.say(f"{answer['entries']} entries written to {out}")
    else:
        shell.answer(answer, lambda a: str(a["text"]))


def _export_lots(shell: Shell, form: str, company: str | None, out: Path | None, period: str | None) -> None:
    if form != "beancount":
        raise click.UsageError("--lots: only beancount books lots")
    with shell.workspace() as work:
        answer = work.export_lots(company=company, period=period)
    if out is None and len(answer["periods"]) != 1:
        raise click.UsageError("--lots: a file a period; name a folder (--out) or one --period")
    if out is None:
        shell.answer(answer, lambda a: str(a["periods"][0]["text"]))
        return
    out.mkdir(parents=True, exist_ok=True)
    for each in answer["periods"]:
        (out / f"lots-{each['period']}.beancount").write_text(each["text"])
    shell.say(f"{sum(each['movements'] for each in answer['periods'])} movements written to {out}")
    for name in answer["left_out"]:
        shell.say(f"left out, because its lots are not FIFO or LIFO: {name}")
