"""`/metrics` for Prometheus, `/healthz`, `/readyz`: a small listener of `tieout serve`. It reads and tells, nothing else.

`healthz` says that the process and its clock live; `readyz` that it can do its work, so that its database answers.
Names are in base units; figures come from the database, so any process of the project tells the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from tieout.config.project import Project
from tieout.errors import StoreError
from tieout.store.schema import alert, batch, company, cursor, entry, exception, firing, name
from tieout.store.store import Store
from tieout.store.tx import Tx

TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
CACHE_SECONDS: Final = 10  # scrapes within it share one reading
TICKS_AGO_SECONDS_MAX: Final = 30


class Metric(NamedTuple):
    """A family: name, what it says, `counter` or `gauge`, and its samples by labels."""

    name: str
    what: str
    kind: str
    samples: list[tuple[Mapping[str, str], int | str]]


def exposition(metrics: Iterable[Metric]) -> str:
    """The text form Prometheus reads."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.what}", f"# TYPE {metric.name} {metric.kind}"]
        for labels, value in metric.samples:
            inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(f"{metric.name}{{{inner}}} {value}" if inner else f"{metric.name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def read(store: Store, project: Project, now: int) -> list[Metric]:
    """Every family. `now`: UTC microseconds."""
    from tieout import __version__

    with store.read() as rx:
        codes = {row.id: row.code for row in rx.execute(sa.select(company.c.id, company.c.code))}
        named = {c.id: c.name for c in project.connections.values()}
        return [
            Metric("tieout_build_info", "The release.", "gauge", [({"version": __version__}, 1)]),
            *_landed(rx, codes, named),
            *_streams(rx, codes, named, now),
            _counted(rx, codes, "tieout_entries", "Entries by state.", entry.c.state, entry.c.company),
            _counted(
                rx,
                codes,
                "tieout_exceptions_open",
                "Open exceptions by stage.",
                exception.c.stage,
                exception.c.company,
                exception.c.state == "open",
            ),
            _counted(
                rx,
                codes,
                "tieout_alerts_open",
                "Alerts that last, by level.",
                alert.c.level,
                alert.c.company,
                alert.c.closed_at.is_(None),
            ),
            *_schedules(rx, codes),
        ]


def _source(text: str, named: Mapping[str, str]) -> dict[str, str]:
    connection, _, stream = text.partition("/")
    return {"connection": named.get(connection, connection), "stream": stream}


def _landed(rx: Tx, codes: Mapping[int, str], named: Mapping[str, str]) -> list[Metric]:
    b = batch.c
    wanted = (
        ("tieout_records_total", "Records received.", b.records),
        ("tieout_duplicates_total", "Records known before, dropped.", b.duplicates),
        ("tieout_event_lines_total", "Event lines landed.", b.events),
    )
    sums = [sa.func.sum(column) for _, _, column in wanted]
    query = sa.select(b.company, name.c.text, *sums).join(name, name.c.id == b.source).group_by(b.company, name.c.text)
    rows = [tuple(row) for row in rx.execute(query)]
    return [
        Metric(
            family,
            what,
            "counter",
            [({"company": codes[row[0]], **_source(row[1], named)}, int(row[n + 2])) for row in rows],
        )
        for n, (family, what, _) in enumerate(wanted)
    ]


def _streams(rx: Tx, codes: Mapping[int, str], named: Mapping[str, str], now: int) -> list[Metric]:
    c = cursor.c
    query = sa.select(c.company, name.c.text, c.pulled_at, c.held).join(name, name.c.id == c.source)
    ages: list[tuple[Mapping[str, str], int | str]] = []
    held: list[tuple[Mapping[str, str], int | str]] = []
    for row in rx.execute(query):
        labels = {"company": codes[row.company], **_source(row.text, named)}
        if row.pulled_at is not None:
            ages.append((labels, _seconds(max(0, now - row.pulled_at))))
        held.append((labels, int(row.held is not None)))
    return [
        Metric("tieout_stream_age_seconds", "Time since the stream was last read.", "gauge", ages),
        Metric("tieout_stream_held", "1 while a change of the vendor's schema holds the stream.", "gauge", held),
    ]


def _counted(rx: Tx, codes: Mapping[int, str], family: str, what: str, by: Any, of: Any, where: Any = None) -> Metric:
    query = sa.select(of, by, sa.func.count()).where(sa.true() if where is None else where).group_by(of, by)
    samples = [({"company": codes[row[0]], by.name: str(row[1])}, int(row[2])) for row in map(tuple, rx.execute(query))]
    return Metric(family, what, "gauge", list(samples))


def _schedules(rx: Tx, codes: Mapping[int, str]) -> list[Metric]:
    f = firing.c
    newest = sa.select(sa.func.max(f.id)).group_by(f.company, f.schedule)
    rows = rx.execute(sa.select(firing).where(f.id.in_(newest)).order_by(f.schedule)).all()
    labels = [{"company": codes[row.company], "schedule": row.schedule} for row in rows]
    return [
        Metric(
            "tieout_schedule_last_start_timestamp_seconds",
            "When the schedule last fired.",
            "gauge",
            [(label, _seconds(row.started_at)) for label, row in zip(labels, rows, strict=True)],
        ),
        Metric(
            "tieout_schedule_last_ok",
            "1 when its last firing did its work.",
            "gauge",
            [(label, int(row.outcome == "done")) for label, row in zip(labels, rows, strict=True)],
        ),
    ]


def _seconds(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


class Health:
    """What the listener tells: readings, whether the clock ticks, whether the database answers."""

    def __init__(self, store: Store, project: Callable[[], Project], now: Callable[[], int]) -> None:
        self._store = store
        self._project = project
        self._now = now
        self._lock = threading.Lock()
        self._cached: tuple[int, str] | None = None
        self.ticked = now()

    def tick(self) -> None:
        self.ticked = self._now()

    def metrics(self) -> str:
        with self._lock:
            now = self._now()
            if self._cached is None or now - self._cached[0] > CACHE_SECONDS * 1_000_000:
                self._cached = (now, exposition(read(self._store, self._project(), now)))
            return self._cached[1]

    def answer(self, path: str) -> tuple[int, str]:
        """(status, text) of a path."""
        if path == "/healthz":
            late = self._now() - self.ticked > TICKS_AGO_SECONDS_MAX * 1_000_000
            return (503, "the clock stands still\n") if late else (200, "ok\n")
        if path not in ("/metrics", "/readyz"):
            return 404, "there are /metrics, /healthz and /readyz\n"
        try:
            text = self.metrics()
        except StoreError as error:
            return 503, f"{error.code}: the database does not answer\n"
        return 200, text if path == "/metrics" else "ok\n"


class MetricsListener:
    """The listener's thread. Bind it to an address that only your own monitoring reaches: it has no password."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                status, text = health.answer(self.path.partition("?")[0])
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="tieout metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def micros() -> int:
    """Now, in UTC microseconds."""
    return time.time_ns() // 1_000
