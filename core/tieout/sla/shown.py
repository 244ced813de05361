"""The monthly report for people: a terminal, a page to send, a table. All from the same JSON-ready data (`sla_report`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final, NamedTuple

Report = Mapping[str, Any]

_STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2.5rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;margin:.6rem 0 1.6rem;width:100%}th,td{border-bottom:1px solid #ddd;"
    "padding:.3rem .6rem;text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".missed{color:#a40000;font-weight:600}.kept{color:#06600c}h2{margin-top:2.2rem}small{color:#555}"
)


class Measured(NamedTuple):
    """One figure of the report. `kept` None: nothing was agreed for it."""

    stream: str
    measure: str
    value: str
    unit: str
    wanted: str
    kept: bool | None
    evidence: str


def rows(report: Report) -> Iterator[Measured]:
    """Every figure with its objective and what proves it, stream by stream."""
    for stream in report["streams"]:
        yield from _of_stream(f"{stream['connection']}/{stream['stream']}", stream)


def _of_stream(name: str, stream: Mapping[str, Any]) -> Iterator[Measured]:
    missed = set(stream["breaches"])

    def figure(
        measure: str, value: object, unit: str, wanted: str = "", kept: bool | None = None, evidence: Iterable[str] = ()
    ) -> Measured:
        return Measured(name, measure, "" if value is None else str(value), unit, wanted, kept, "; ".join(evidence))

    latency = stream["latency"]
    within = f"≥ {latency['share_wanted']} within {latency['objective']} s"
    late = [f"event {e['event']} record {e['record']} {e['document']}: {e['seconds']} s" for e in latency["late"]]
    yield figure("latency within objective", latency["share"], "%", within, "latency" not in missed, late)
    for stage, found in (("whole", latency["whole"]), *latency["stages"].items()):
        for point in ("p50", "p95", "p99", "max") if found else ():
            yield figure(f"latency {stage} {point}", found[point], "s")
    for key in ("allowed", "used", "burn_rate"):
        yield figure(f"error budget {key.replace('_', ' ')}", stream["budget"][key], "")
    fresh = stream["freshness"]
    errors = [each for each in fresh["stale"] if each["level"] == "error"]
    wanted = f"no look succeeded for at most {fresh['error']} s"
    spans = [f"{each['from']} – {each['to'] or 'now'} ({each['seconds']} s)" for each in errors]
    yield figure("times without a look", len(errors), "", wanted, "freshness" not in missed, spans)
    there = stream["availability"]
    spans = [f"{o['from']} – {o['to'] or 'now'}: {o['failed_looks']} looks, {o['detail']}" for o in there["outages"]]
    kept = "availability" not in missed
    yield figure("availability", there["share"], "%", f"≥ {there['wanted']}", kept, spans)
    quality = stream["quality"]
    yield figure("data quality score", quality["score"], "", f"≥ {quality['wanted']}", "quality" not in missed)
    for part in quality["parts"]:
        behind = [f"record {each['record']}: {each['why']}" for each in part["behind"]]
        yield figure(f"quality {part['part']}", part["share"], "%", evidence=behind)
    drift = stream["schema_violations"]
    found = [f"exception {each['exception']} {each['at']}: {each['what']}" for each in drift["found"]]
    yield figure("schema violations", drift["count"], "", evidence=found)
    gaps = [f"{', '.join(gap['missing'])} between {gap['after']} and {gap['before']}" for gap in stream["numbers"]]
    count = sum(gap["count"] for gap in stream["numbers"])
    yield figure("missing numbers", count, "", kept=False if count else None, evidence=gaps)
    for what, seen in stream["coverage"].items():
        yield figure(f"{what} known, by events", seen["events"]["share"], "%")
    yield figure("records", stream["records"], "")
    yield figure("events", stream["events"], "")
    for reason, number in stream["apart"].items():
        yield figure(f"events not measured: {reason}", number, "")


def to_text(report: Report) -> str:
    """For a terminal: one line a stream, then what was missed with its evidence."""
    heads = ("stream", "latency", "p50", "p95", "p99", "max", "available", "quality", "missed")
    table = []
    for stream in report["streams"]:
        whole = stream["latency"]["whole"] or {}
        table.append(
            (
                f"{stream['connection']}/{stream['stream']}",
                _cent(stream["latency"]["share"]),
                *(f"{whole[p]} s" if whole else "–" for p in ("p50", "p95", "p99", "max")),
                _cent(stream["availability"]["share"]),
                stream["quality"]["score"],
                ", ".join(stream["breaches"]) or "nothing",
            )
        )
    out = [_title(report), "", *_columns(heads, table)]
    for one in rows(report):
        if one.kept is False:
            out += [
                "",
                f"{one.stream}: {one.measure} {one.value} {one.unit}".rstrip()
                + f" (agreed: {one.wanted or 'none missing'})",
            ]
            out += [f"  {each}" for each in one.evidence.split("; ") if each]
    return "\n".join(out)


def _cent(share: str | None) -> str:
    return "–" if share is None else f"{share} %"


def _columns(heads: Sequence[str], table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in (heads, *table)) for n in range(len(heads))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (heads, *table)]


def _title(report: Report) -> str:
    until = "" if report["complete"] else f", so far ({report['as_of']})"
    return f"{report['legal_name']}: service levels of {report['month']}{until}, days in {report['zone']}"


def to_csv(report: Report) -> str:
    """One row a figure. A cell that a spreadsheet would take for a formula is put in as text."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("month", *Measured._fields))
    for one in rows(report):
        kept = "" if one.kept is None else "yes" if one.kept else "no"
        cells = (report["month"], *one[:5], kept, one.evidence)
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "@", "\t") else cell for cell in cells])
    return file.getvalue()


def to_html(report: Report) -> str:
    """A page that stands alone: no script, no picture, nothing is fetched."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{escape(_title(report))}</title><style>{_STYLE}</style>",
        f"<h1>Service levels, {escape(report['month'])}</h1>",
        f"<p>{escape(report['legal_name'])}. {escape(report['from'])} to {escape(report['to'])} "
        f"({escape(report['zone'])}), as of {escape(report['as_of'])}. Times are UTC, lengths seconds. "
        "Announced maintenance is left out of every figure and listed.</p>",
    ]
    figures: dict[str, list[Measured]] = {}
    for one in rows(report):
        figures.setdefault(one.stream, []).append(one)
    for stream in report["streams"]:
        name = f"{stream['connection']}/{stream['stream']}"
        verdict = ", ".join(stream["breaches"])
        words = f"<span class=missed>missed: {escape(verdict)}</span>" if verdict else "<span class=kept>kept</span>"
        parts.append(f"<h2>{escape(name)} <small>{escape(stream['connector'])}</small> {words}</h2>")
        parts.append("<table><tr><th>measure<th class=n>value<th>agreed<th>evidence</tr>")
        for one in figures[name]:
            mark = " class=missed" if one.kept is False else ""
            cells = "<br>".join(escape(each) for each in one.evidence.split("; "))
            parts.append(
                f"<tr><td{mark}>{escape(one.measure)}<td class=n>{escape(f'{one.value} {one.unit}'.strip())}"
                f"<td>{escape(one.wanted)}<td>{cells}</tr>"
            )
        parts.append("</table>")
        spans = [f"{each['from']} to {each['to']}" for each in stream["maintenance"]]
        if spans:
            parts.append(f"<p>Announced maintenance: {escape('; '.join(spans))}.</p>")
    return "\n".join(parts) + "</html>\n"
