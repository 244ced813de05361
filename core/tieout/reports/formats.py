"""A report as text, CSV, JSON or XLSX. The same values in each, exact; the same report gives the same bytes.

CSV begins with lines marked `#` that prove the rows (query, parameters, control totals …). XLSX keeps them on a second
sheet; its numbers are written as decimal text of the cell, so nothing passes through a binary fraction.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from tieout.reports.report import Report

ROWS_SHOWN_MAX = 200  # on a terminal; files have all
_NUMBERS = frozenset({"count", "quantity", "money", "unit", "share"})
_EPOCH = (1980, 1, 1, 0, 0, 0)


def about_lines(report: Report) -> list[tuple[str, str]]:
    """What proves the rows, as (what, text)."""
    about = report.about()
    lines = [(name, str(about[name])) for name in ("title", "company", "currency", "as_of")]
    lines.append(("as_known", report.as_known or "everything that has landed"))
    lines += [(f"parameter {name}", text) for name, text in about["parameters"].items()]
    lines += [("policy", report.policy), ("rows", str(about["count"]))]
    lines += [(f"total {name}", text) for name, text in about["totals"].items()]
    lines += [
        (f"control {each['what']}", f"{each['found']} = {each['wanted']}" + ("" if each["ok"] else "  DIFFERENT"))
        for each in about["checks"]
    ]
    lines += [("note", note) for note in report.notes]
    return [*lines, ("query", " ".join(report.query.split()))]


def to_text(report: Report) -> str:
    """For a terminal: the first rows, then what proves them."""
    shown = [_cells(report, row) for row in report.rows[:ROWS_SHOWN_MAX]]
    names = [column.name.replace("_", " ") for column in report.columns]
    widths = [max(len(name), *(len(row[n]) for row in shown), 0) for n, name in enumerate(names)]
    right = [column.kind in _NUMBERS for column in report.columns]

    def line(cells: Sequence[str]) -> str:
        parts = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(parts).rstrip()

    out = [f"{report.title}  ({report.company}, {report.currency})", ""]
    out += [line(names), "  ".join("─" * width for width in widths), *map(line, shown)] if shown else ["(none)"]
    if len(report.rows) > len(shown):
        out.append(f"… {len(report.rows) - len(shown)} more rows: --csv FILE or --xlsx FILE has all")
    return "\n".join([*out, "", *(f"{what}: {text}" for what, text in about_lines(report)[1:])])


def to_csv(report: Report) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows((f"# {what}", text) for what, text in about_lines(report))
    writer.writerow([column.name for column in report.columns])
    writer.writerows(_cells(report, row) for row in report.rows)
    return file.getvalue()


def to_json(report: Report) -> str:
    return json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"


def _cells(report: Report, row: Sequence[object]) -> list[str]:
    return [report.shown(column, value) for column, value in zip(report.columns, row, strict=True)]  # type: ignore[arg-type]


# ── xlsx: the five parts a workbook needs, and nothing else ────────────────────────────────────────────────────────
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEETS = ("rows", "about")
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def to_xlsx(report: Report) -> bytes:
    """A workbook of two sheets: the rows, and what proves them."""
    head = [[(column.name, False) for column in report.columns]]
    number = [column.kind in _NUMBERS for column in report.columns]
    rows = ([*zip(_cells(report, row), number, strict=True)] for row in report.rows)
    about = ([(what, False), (text, False)] for what, text in about_lines(report))
    sheets = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(_SHEETS, 1))
    relations = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in (1, 2)
    )
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in (1, 2)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        "xl/worksheets/sheet1.xml": _sheet([*head, *rows]),
        "xl/worksheets/sheet2.xml": _sheet(about),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(zipfile.ZipInfo(name, _EPOCH), _HEAD + text, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _sheet(rows: Iterable[Sequence[tuple[str, bool]]]) -> str:
    out = [f'<worksheet xmlns="{_MAIN}"><sheetData>']
    for n, row in enumerate(rows, 1):
        out.append(f'<row r="{n}">')
        for text, number in row:
            if number and text:
                out.append(f"<c><v>{text}</v></c>")
            else:
                out.append(f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>')
        out.append("</row>")
    return "".join([*out, "</sheetData></worksheet>"])
