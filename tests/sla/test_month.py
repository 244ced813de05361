"""A month with outages, maintenance, a DST change and a dead vendor: the report is the one worked out by hand, every breach
is told once, and nothing else is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.sla.month_of_march import NOW, Month, project

import tieout
from tieout.operations import alerts
from tieout.operations.answers import ANSWERS
from tieout.operations.sla_report import line
from tieout.workspace import Workspace, sla_text, sla_write


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(project(tmp_path), actor="ann") as opened:
        Month(opened)
        opened.office("main").desk.now = lambda: NOW
        yield opened


def of(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(s for s in report["streams"] if f"{s['connection']}/{s['stream']}" == name)


def test_the_bounds_are_midnights_of_the_company(work: Workspace) -> None:
    report = work.sla(month="2026-03")
    assert (report["from"], report["to"]) == ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")
    assert report["complete"]
    assert not report["kept"]


def test_latency_is_the_one_worked_out_by_hand(work: Workspace) -> None:
    stream = of(work.sla(month="2026-03"), "ops/shipments")
    latency = stream["latency"]
    # a normal day: 12:30 to 13:00:10 is 1810 s of polling, then 1 + 9 + 30 s
    assert (latency["met"], latency["missed"], latency["open"], latency["share"]) == (29, 3, 0, "90.62")
    assert latency["whole"] == {"count": 31, "p50": "1850", "p95": "5450", "p99": "23450", "max": "23450"}
    stages = latency["stages"]
    assert stages["vendor"] == {"count": 31, "p50": "0", "p95": "1800", "p99": "19800", "max": "19800"}
    assert stages["polling"] == {"count": 31, "p50": "1810", "p95": "3610", "p99": "3610", "max": "3610"}
    assert {name: stages[name]["max"] for name in ("mapping", "posting", "delivery")} == {
        "mapping": "1",
        "posting": "9",
        "delivery": "30",
    }
    late = latency["late"]
    # the 31st: sealed at 1:00Z, nothing from the ledger for 11 hours; the 5th: not there at 18:00Z; the 15th: failed at 13:00Z
    assert [(e["document"], e["arrived"], e["seconds"]) for e in late] == [
        ("SH-32", False, "41420"),
        ("SH-5", True, "23450"),
        ("SH-15", True, "5450"),
    ]
    assert late[1]["stages"] == {"vendor": "19800", "polling": "3610", "mapping": "1", "posting": "9", "delivery": "30"}
    assert stream["apart"] == {"backfill": 1, "revised": 1, "held": 1, "remapped": 0}
    assert stream["budget"] == {"allowed": "3.2", "used": 3, "burn_rate": "0.93"}


def test_availability_and_freshness_leave_announced_maintenance_out(work: Workspace) -> None:
    report = work.sla(month="2026-03")
    stream = of(report, "ops/shipments")
    # 743 hours: 6 in the maintenance, 1 our own fault, 5 the vendor's
    assert {k: stream["availability"][k] for k in ("met", "missed", "share")} == {
        "met": 731,
        "missed": 5,
        "share": "99.32",
    }
    (outage,) = stream["availability"]["outages"]
    assert (outage["from"], outage["to"], outage["failed_looks"]) == (
        "2026-03-15T10:00:00Z",
        "2026-03-15T14:00:00Z",
        4,
    )
    assert [(s["from"], s["to"], s["seconds"], s["level"], s["vendor"]) for s in stream["freshness"]["stale"]] == [
        ("2026-03-15T09:00:00Z", "2026-03-15T14:00:00Z", "18000", "warn", True)
    ]
    assert stream["maintenance"] == [{"from": "2026-03-09T23:00:00Z", "to": "2026-03-10T05:00:00Z"}]
    dead = of(report, "dead/orders")
    assert (dead["availability"]["met"], dead["availability"]["missed"]) == (589, 154)
    assert dead["breaches"] == ["freshness", "availability"]
    assert dead["freshness"]["stale"] == [
        {"from": "2026-03-25T11:00:00Z", "to": None, "seconds": "558000", "level": "error", "vendor": True}
    ]


def test_quality_is_the_one_worked_out_by_hand(work: Workspace) -> None:
    stream = of(work.sla(month="2026-03"), "ops/shipments")
    assert (stream["records"], stream["duplicates"], stream["events"]) == (37, 2, 35)
    parts = {p["part"]: (p["met"], p["missed"]) for p in stream["quality"]["parts"]}
    assert parts == {
        "completeness": (34, 1),
        "validity": (35, 0),
        "uniqueness": (35, 1),
        "referential": (34, 1),
        "consistency": (35, 0),
        "timeliness": (29, 3),
    }
    # 20·34/35 + 20 + 15·35/36 + 20·34/35 + 15 + 10·29/32 = 97.5029…
    assert stream["quality"]["score"] == "97.50"
    assert stream["quality"]["parts"][0]["behind"] == [{"record": 2, "why": "TO2101 ?"}]
    assert (stream["schema_violations"]["count"], stream["schema_violations"]["per_10000"]) == (1, "270.27")
    assert stream["numbers"] == [{"after": "SH-19", "before": "SH-21", "count": 1, "missing": ["SH-20"]}]
    assert stream["breaches"] == ["numbers"]


def test_the_page_and_the_table_hold_the_evidence_and_no_formula(work: Workspace, tmp_path: Path) -> None:
    report = work.sla(month="2026-03", connection="ops")
    sla_write(report, tmp_path / "march.html", "html")
    sla_write(report, tmp_path / "march.csv", "csv")
    page, table = (tmp_path / "march.html").read_text(), (tmp_path / "march.csv").read_text()
    for text in (page, table):
        assert "SH-5" in text
        assert "23450 s" in text
        assert "SH-20" in text
        assert "dead/orders" not in text
    assert "<script" not in page
    assert "missing numbers 1" in sla_text(report)


class Told:
    """A notifier that keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, dict[str, Any]]] = []
        self.fails = False

    @tieout.hookimpl
    def tieout_notify(self, subject: str, body: str, data: dict[str, Any]) -> None:
        if self.fails:
            raise OSError("no line")
        self.notices.append((subject, data))

    @property
    def causes(self) -> list[tuple[str, str, str]]:
        return [(a["cause"], a["level"], a["state"]) for _, data in self.notices for a in data["alerts"]]


def test_every_breach_is_told_once_and_nothing_else(work: Workspace) -> None:
    desk, told = work.office("main").desk, Told()
    desk.project.plugins.add("told", told)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    while now <= datetime(2026, 4, 1, tzinfo=UTC):  # the looks of the month end there
        desk.now = lambda at=now: at  # type: ignore[misc]
        alerts.check(desk, deep=now.hour == 0)
        now += timedelta(hours=3)
    assert sorted(told.causes) == [
        ("availability:dead/orders:2026-03", "error", "open"),
        ("numbers:ops/shipments:2026-03", "warn", "open"),
        ("outage:dead", "error", "open"),
        ("outage:dead", "warn", "open"),
        ("outage:ops", "warn", "open"),
        ("outage:ops", "warn", "over"),
    ]
    assert {row["owner"] for row in work.alerts()["alerts"] if row["cause"] == "outage:dead"} == {"bo"}


def at(work: Workspace, hour: int, day: int = 25) -> None:
    work.office("main").desk.now = lambda: datetime(2026, 3, day, hour, tzinfo=UTC)


MORE = """
[notify]
quiet = ["14:30-16:30"]
digest = "2h"
escalate_after = "6h"
escalate_to = "cleo"
"""


def test_quiet_hours_digest_and_escalation(tmp_path: Path) -> None:
    with Workspace.open(project(tmp_path, MORE), actor="ann") as work:
        Month(work)
        desk, told = work.office("main").desk, Told()
        desk.project.plugins.add("told", told)
        at(work, 14)
        alerts.check(desk, deep=False)
        assert told.causes == []  # 15:00 in Amsterdam is quiet
        at(work, 16)
        told.fails = True
        assert len(alerts.check(desk, deep=False)) == 1
        told.fails = False
        alerts.check(desk, deep=False)  # not told yet, so it is told again
        assert told.causes == [("outage:dead", "warn", "open")]
        at(work, 17)  # worse by now, but within the digest's two hours
        alerts.check(desk, deep=False)
        assert len(told.notices) == 1
        at(work, 18)
        alerts.check(desk, deep=False)
        assert told.causes[1:] == [("outage:dead", "error", "open")]
        at(work, 21)
        alerts.check(desk, deep=False)
        assert told.causes[2:] == [("outage:dead", "error", "escalated")]
        assert told.notices[-1][1]["alerts"][0]["owner"] == "cleo"
        at(work, 23)
        alerts.check(desk, deep=False)
        assert len(told.notices) == 3


def test_what_somebody_has_taken_is_not_escalated(tmp_path: Path) -> None:
    with Workspace.open(project(tmp_path, MORE), actor="ann") as work:
        Month(work)
        desk, told = work.office("main").desk, Told()
        desk.project.plugins.add("told", told)
        at(work, 18)
        alerts.check(desk, deep=False)
        (row,) = [one for one in work.alerts()["alerts"] if one["cause"] == "outage:dead"]
        assert work.take_alert(row["id"])["alerts"][0]["taken_by"] == "ann"
        at(work, 6, day=26)
        alerts.check(desk, deep=False)
        assert [state for _, _, state in told.causes] == ["open"]


def test_answers_have_their_published_shape_and_status_has_its_line(work: Workspace) -> None:
    for name, answer in (
        ("sla", work.sla(month="2026-03")),
        ("alerts", work.check_alerts()),
    ):
        TypeAdapter(ANSWERS[name]).validate_python(answer, strict=True)
    # in April nobody has looked for 15 hours, and at the dead vendor for longer
    levels = line(work.office("main").desk)
    assert levels["missed"] == ["ops/shipments: freshness", "dead/orders: freshness"]
    assert any("dead does not answer" in one for one in levels["alerts"])
