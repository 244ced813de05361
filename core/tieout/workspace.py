"""Workspace: everything one can do with a project. The command line, the console, schedulers and workers call only this.

    with Workspace.open(Path("books"), actor="ann") as work:
        answer = work.run()

Every method answers with JSON-ready data whose shape is in `tieout.operations.answers`: money and quantities as exact
decimal text, never numbers. Acts carry the actor the workspace was opened with.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tieout import config
from tieout.config.project import Project
from tieout.errors import StoreError, TieoutError, UsageError
from tieout.operations import people, planning, standalone
from tieout.operations.office import Office
from tieout.operations.plugin_new import new_plugin
from tieout.operations.topics import explain_topic
from tieout.run import Ran, run_company
from tieout.store.masters import Kind
from tieout.store.store import Store

if TYPE_CHECKING:
    from tieout.reports.report import Report

PARTLY_DONE = 6
NOT_TIED_OUT = 3
UNAVAILABLE = 75

value_file = standalone.value_file
schema_of = standalone.schema_of
check_project = standalone.check_project
check_mappings = standalone.check_mappings
test_mappings = standalone.test_mappings
explain_mapping = standalone.explain_mapping
show_config = standalone.show_config
config_schema = standalone.config_schema
list_plugins = standalone.list_plugins
show_plugin = standalone.show_plugin
init_project = standalone.init_project
templates = standalone.templates
db_upgrade = standalone.db_upgrade
db_restore = standalone.db_restore
db_move = standalone.db_move
add_plugin_commands = standalone.add_plugin_commands


def audit_verify_file(path: Path, key: str = "") -> dict[str, Any]:
    """An audit export against itself, offline: no project and no database needed."""
    from tieout.operations.auditing import verify_file

    return verify_file(path, key)


def serve(
    folder: Path,
    *,
    actor: str,
    progress: Callable[[str], None],
    webhooks: tuple[str, int] | None = None,
    metrics: tuple[str, int] | None = None,
    log: Literal["json", "text"] | None = None,
) -> int:
    """Run every schedule of a project until a termination signal; returns how many firings were handed out. `webhooks`: the
    host and port at which vendors' calls are taken, `metrics` those of /metrics, /healthz and /readyz; `log`: log lines too."""
    import signal

    from tieout.operations.serving import Server

    if log is not None:
        from tieout.logs import set_up

        set_up(log)
    server = Server(folder, actor, progress, webhooks, metrics)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop)
    return server.serve()


def work(
    folder: Path, *, actor: str | None = None, concurrency: int = 4, progress: Callable[[str], None] = lambda _: None
) -> int:
    """Drain lanes with other workers until a termination signal; returns how many drains this one did."""
    from tieout.worker import serve as serve_lanes

    return serve_lanes(folder, actor or "tieout", concurrency, progress)


def report_names() -> list[dict[str, str]]:
    """Every report and what it answers."""
    from tieout.reports.catalogue import REPORTS

    return [{"name": name, "what": known.title} for name, known in REPORTS.items()]


def report_text(made: Report) -> str:
    """A report for a terminal."""
    from tieout.reports.formats import to_text

    return to_text(made)


def report_write(made: Report, path: Path, form: Literal["csv", "xlsx"]) -> None:
    """A report as a file, exact and with everything that proves it."""
    from tieout.reports.formats import to_csv, to_xlsx

    path.write_bytes(to_csv(made).encode() if form == "csv" else to_xlsx(made))


def sla_text(answer: Mapping[str, Any]) -> str:
    """A service level report for a terminal."""
    from tieout.sla.shown import to_text

    return to_text(answer)


def sla_write(answer: Mapping[str, Any], path: Path, form: Literal["csv", "html"]) -> None:
    """A service level report as a file to send."""
    from tieout.sla.shown import to_csv, to_html

    path.write_text(to_csv(answer) if form == "csv" else to_html(answer), encoding="utf-8")


Answer = dict[str, Any]


class Workspace:
    """An open project: configuration loaded and checked, database open, one office per company made on first use."""

    def __init__(self, project: Project, store: Store, actor: str, progress: Callable[[str], None]) -> None:
        self.project = project
        self.store = store
        self.actor = actor
        self.progress = progress
        self._offices: dict[str, Office] = {}

    @classmethod
    def open(
        cls, folder: Path, *, actor: str | None = None, progress: Callable[[str], None] = lambda _: None
    ) -> Workspace:
        """Open the project in a folder; makes its database on first use. ConfigError with every slip when it is wrong."""
        if folder.suffix != ".toml" and not (folder / config.FILE).exists():
            raise UsageError(
                f"no project here: {folder / config.FILE} is not there",
                code="TO1090",
                fix="go to the project folder, pass -C FOLDER, or start one: tieout init",
            )
        project = config.load(folder)
        store = Store.open(project.store_url(), create=True)
        return cls(project, store, actor or project.actor or "tieout", progress)

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── companies ──────────────────────────────────────────────────────────────────────────────────────────────────
    def office(self, company: str | None = None) -> Office:
        """One company's office; without a name the only company there is."""
        if company is None:
            if len(self.project.companies) != 1:
                names = ", ".join(sorted(self.project.companies))
                raise UsageError("which company?", code="TO1091", fix=f"--company, one of: {names}")
            company = next(iter(self.project.companies))
        office = self._offices.get(company)
        if office is None:
            from tieout.operations.desk import Desk

            desk = Desk(self.project, self.project.company(company), self.store, self.actor)
            office = self._offices[company] = Office(desk)
        return office

    def offices(self, company: str | None = None) -> list[Office]:
        names = [company] if company else sorted(self.project.companies)
        return [self.office(name) for name in names]

    # ── the main job ───────────────────────────────────────────────────────────────────────────────────────────────
    def run(self, *, company: str | None = None, seal_now: bool = False) -> Answer:
        """Pull, value and post, deliver, tie out. `exit_code` says how it went (see the command line's codes)."""
        from tieout.operations.intake import pull_answer

        started, name = time.monotonic(), uuid.uuid4().hex
        streams: list[dict[str, Any]] = []
        statuses, posted, delivered, held = [], _posted(), _delivered(), 0
        for office in self.offices(company):
            ran = run_company(office, name=name, seal_now=seal_now, say=self.progress)
            streams += pull_answer(office.desk.company.code, ran.pulled)
            held += sum(one.error is not None or one.result.held is not None for one in ran.pulled)
            for key, count in ran.kept._asdict().items():
                posted[key] += count
            if ran.drained is not None:
                for key in ("sealed", "posted", "rejected", "parked", "unknown", "waiting"):
                    delivered[key] += getattr(ran.drained, key)
                if ran.drained.error is not None:
                    delivered["stopped"] = str(ran.drained.error)
            statuses.append(ran.status)
            self._tell(office, ran)
            self._sign(office)
        answer = _status(statuses)
        return {
            **answer,
            "exit_code": _exit_code(answer, held, delivered),
            "pulled": {"streams": streams, "held": held},
            "posted": posted,
            "delivered": delivered,
            "seconds": f"{time.monotonic() - started:.1f}",
        }

    def _sign(self, office: Office) -> None:
        """The day's signed checkpoint. Books that hold less than the last one says are told, and go on."""
        from tieout.operations import auditing

        try:
            auditing.daily(office)
        except StoreError as error:
            self.progress(f"no checkpoint: {error}")

    def _tell(self, office: Office, ran: Ran) -> None:
        """Notify people of what this run could not do by itself."""
        opened = sum(len(one.result.exceptions) for one in ran.pulled) + ran.kept.refused
        stopped = ran.drained.error if ran.drained is not None else None
        if not opened and stopped is None and ran.status["tied_out"]:
            return
        subject = f"{office.desk.company.code}: {opened} new exceptions" + (
            "" if ran.status["tied_out"] else ", not tied out"
        )
        data = {"company": office.desk.company.code, "exceptions": opened, "unexplained": ran.status["unexplained"]}
        about: Literal["exception", "not_tied_out"] = "exception" if ran.status["tied_out"] else "not_tied_out"
        for problem in office.desk.notify(about, subject, str(stopped or "tieout exceptions list"), data):
            self.progress(problem)

    def pull(self, *, company: str | None = None, connection: str | None = None, stream: str | None = None) -> Answer:
        """Fetch and land; nothing is posted."""
        from tieout.operations.intake import pull_answer

        rows, held, name = [], 0, uuid.uuid4().hex
        for office in self.offices(company):
            pulled = office.intake.pull(name, connection=connection, stream=stream, progress=self.progress)
            rows += pull_answer(office.desk.company.code, pulled)
            held += sum(one.error is not None or one.result.held is not None for one in pulled)
        return {"streams": rows, "held": held}

    def plan(self, *, company: str | None = None, restate: bool = False) -> Answer:
        """What `run` would post from what has landed."""
        return planning.plan(self.office(company), restate=restate)

    def apply(self, saved: Mapping[str, Any]) -> Answer:
        """Post a saved plan, if it still fits."""
        return dict(planning.apply(self.office(str(saved.get("company"))), saved))

    def status(self, *, company: str | None = None) -> Answer:
        """Counts and the tie-out of each company as of the latest day."""
        from tieout.operations.sla_report import line

        return _status([{**o.tie_out(), "service_levels": line(o.desk)} for o in self.offices(company)])

    def reconcile(self, *, company: str | None = None, as_of: str | None = None) -> Answer:
        """The tie-out as of a day, every difference with its document."""
        return _status([office.tie_out(as_of) for office in self.offices(company)])

    # ── approvals and cut-over ─────────────────────────────────────────────────────────────────────────────────────
    def approvals(self, *, company: str | None = None) -> Answer:
        return {"waiting": [row for office in self.offices(company) for row in planning.waiting(office)]}

    def approve(self, ids: Sequence[str], *, company: str | None = None) -> Answer:
        return {"done": planning.approve(self.office(company), ids)}

    def reject(self, ids: Sequence[str], reason: str, *, company: str | None = None) -> Answer:
        return {"done": planning.reject(self.office(company), ids, reason)}

    def cutover(
        self,
        opening: Path,
        *,
        go_live: str,
        company: str | None = None,
        ledger_carries: bool = False,
        approve_difference: str | None = None,
    ) -> Answer:
        """Load opening stock from a CSV, prove it against the ledger, record go-live."""
        from tieout.operations.cutover import cutover

        return cutover(
            self.office(company),
            opening,
            go_live=go_live,
            carried=ledger_carries,
            approve_difference=approve_difference,
        )

    # ── questions ──────────────────────────────────────────────────────────────────────────────────────────────────
    def trace(self, anything: str) -> Answer:
        """Records, events, bookings and entries behind an id, in every company until one knows it."""
        from tieout.operations.trace import trace

        for office in self.offices():
            found = trace(office, anything)
            if found is not None:
                return found
        raise UsageError(
            f"nothing here is called {anything!r}", code="TO1095", fix="try a SKU, a document, a TO-reference"
        )

    def explain(self, topic: Sequence[str]) -> Answer:
        """Why a movement cost what it did, or why a line went to an account."""
        from tieout.operations.explaining import explain

        return explain(self.offices(), topic)

    def valuation(
        self, *, company: str | None = None, as_of: str | None = None, as_known: str | None = None, layers: bool = False
    ) -> Answer:
        """Quantity and value per item and location, re-performed from the events."""
        from tieout.operations.reports import valuation

        return valuation(self.office(company), as_of=as_of, as_known=as_known, layers=layers)

    def report(
        self,
        name: str,
        *,
        company: str | None = None,
        as_of: str | None = None,
        start: str | None = None,
        period: str | None = None,
        **given: str | None,
    ) -> Report:
        """A report by name (`report_names`), with its parameters; `as_dict()` is its JSON-ready form."""
        from tieout.reports.catalogue import make

        asked = {key: text for key, text in given.items() if text is not None}
        return make(self.office(company), name, as_of=as_of, start=start, period=period, given=asked)

    def close_period(
        self,
        name: str,
        *,
        company: str | None = None,
        only_check: bool = False,
        reopen: str | None = None,
        accept: str = "",
        age_limit: int | None = None,
    ) -> Answer:
        """Prepare or close a period, look what is in its way (`only_check`), or `reopen` it with a reason."""
        from tieout.operations import closing

        office, days = self.office(company), closing.AGE_LIMIT_DAYS if age_limit is None else age_limit
        if reopen is not None:
            return closing.reopen(office, name, reopen)
        if only_check:
            return closing.status(office, name, age_limit=days)
        return closing.close(office, name, accept=accept, age_limit=days)

    def audit_verify(self, *, company: str | None = None) -> Answer:
        """The books against their chains and the signed checkpoints kept outside the database."""
        from tieout.operations import auditing

        found = [auditing.verify(office) for office in self.offices(company)]
        return {"ok": all(one["ok"] for one in found), "companies": found}

    def audit_export(self, path: Path, *, company: str | None = None) -> Answer:
        from tieout.operations import auditing

        return auditing.export(self.office(company), path)

    def audit_changes(self, *, kind: str | None = None, since: str | None = None, company: str | None = None) -> Answer:
        from tieout.operations import auditing

        found = [auditing.changes(office, kind=kind, since=since) for office in self.offices(company)]
        return {"count": sum(one["count"] for one in found), "companies": found}

    def audit_checkpoint(self, *, company: str | None = None) -> Answer:
        """A signed checkpoint of each company over what is new."""
        from tieout.operations import auditing

        made = [(office.desk.company.code, auditing.make_checkpoint(office)) for office in self.offices(company)]
        return {
            "checkpoints": [one._asdict() for _, one in made if one],
            "unchanged": [c for c, one in made if not one],
        }

    def export_lots(self, *, company: str | None = None, period: str | None = None) -> Answer:
        """Stock as lots for beancount to book again, a text a period."""
        from tieout.operations.lots import lots

        return lots(self.office(company), period)

    def export(self, form: str, *, company: str | None = None) -> Answer:
        """The journal's documents in another program's format."""
        from tieout.operations.exporting import export

        return export(self.office(company), form)

    # ── entries ────────────────────────────────────────────────────────────────────────────────────────────────────
    def entries(self, *, state: str = "troubled", company: str | None = None) -> Answer:
        """Entries on their way to the ledger, by state."""
        from tieout.operations.entries import entries

        rows = [row for office in self.offices(company) for row in entries(office, state)]
        return {"entries": rows, "count": len(rows)}

    def entry(self, name: str) -> Answer:
        """One entry by id or reference, with every attempt to deliver it."""
        from tieout.operations.entries import find, show

        return show(*find(self.offices(), name))

    def decide_entry(self, name: str, *, posted_as: str | None = None, reason: str) -> Answer:
        """A person's word on a parked entry: in the ledger under that id, or absent and planned again."""
        from tieout.operations.entries import decide, find

        office, row = find(self.offices(), name)
        return decide(office, row, posted_as=posted_as, reason=reason)

    # ── schedules ──────────────────────────────────────────────────────────────────────────────────────────────────
    def schedules(self, *, company: str | None = None) -> Answer:
        """Every schedule with its next and last firing."""
        from tieout.operations import schedules

        return {"schedules": [row for office in self.offices(company) for row in schedules.rows(office.desk)]}

    def pause_schedule(self, name: str, reason: str, *, company: str | None = None) -> Answer:
        """Stop a schedule until it is resumed."""
        from tieout.operations import schedules

        schedules.pause(self.office(company).desk, name, reason)
        return self.schedules(company=company)

    def resume_schedule(self, name: str, *, company: str | None = None) -> Answer:
        """Let a paused schedule go on."""
        from tieout.operations import schedules

        schedules.resume(self.office(company).desk, name)
        return self.schedules(company=company)

    def run_schedule(self, name: str, *, company: str | None = None) -> Answer:
        """One firing of a schedule, now."""
        from tieout.operations import schedules, serving

        office = self.office(company)
        return serving.run_now(office, schedules.one(office.desk, name), self.progress)

    # ── objectives ─────────────────────────────────────────────────────────────────────────────────────────────────
    def sla(self, *, month: str | None = None, connection: str | None = None, company: str | None = None) -> Answer:
        """Objectives of a company's streams in a calendar month, with the evidence."""
        from tieout.operations.sla_report import month as made

        return made(self.office(company).desk, month, connection=connection)

    def check_alerts(self, *, company: str | None = None) -> Answer:
        """Measure everything now, and tell whom the configuration names."""
        from tieout.operations import alerts

        for office in self.offices(company):
            for problem in alerts.check(office.desk, deep=True):
                self.progress(problem)
        return self.alerts(company=company)

    def alerts(self, *, company: str | None = None, everything: bool = False) -> Answer:
        from tieout.operations import alerts

        rows = [row for office in self.offices(company) for row in alerts.listed(office.desk, everything=everything)]
        return {"alerts": rows, "count": len(rows)}

    def take_alert(self, number: int) -> Answer:
        """The actor looks after an alert; it is not escalated."""
        from tieout.operations import alerts

        for office in self.offices():
            if any(row["id"] == number for row in alerts.listed(office.desk, everything=True)):
                alerts.take(office.desk, number)
                return self.alerts()
        raise UsageError(f"there is no alert {number}", code="TO1064", fix="tieout alerts list --all")

    # ── grants ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def grants(self, *, company: str | None = None) -> Answer:
        """What is known of the grants of every connection; never a token."""
        from tieout.operations import consent

        rows = []
        for office in self.offices(company):
            for connection in self.project.connections_of(office.desk.company.code):
                if connection.error is None:
                    rows.append(consent.state_of(office.desk, connection))
        return {"connections": rows}

    def login(
        self, name: str, *, port: int, redirect: str | None = None, paste: Callable[[], str] | None = None
    ) -> Answer:
        """Ask a person's consent for a connection; `paste` gives the address the browser ended at, else it is served."""
        from tieout.operations import consent

        connection = self.project.connection(name)
        desk = self.office(connection.company).desk
        grant = consent.grant_of(desk, connection)
        asking = consent.ask(grant, redirect or f"http://localhost:{port}/callback")
        if paste is None:
            returned = consent.wait_for_browser(port, self.progress, asking)
        else:
            self.progress(f"open this page and consent:\n  {asking.url}")
            returned = paste()
        return {"connections": [consent.complete(desk, connection, grant, asking, returned)]}

    def take_code(self, name: str, code: str) -> Answer:
        """Store the grant of a code that a vendor gave out without a browser, as a simulator does."""
        from tieout.operations import consent

        connection = self.project.connection(name)
        desk = self.office(connection.company).desk
        consent.grant_of(desk, connection).exchange({"grant_type": "authorization_code", "code": code})
        return {"connections": [consent.state_of(desk, connection)]}

    def logout(self, name: str) -> Answer:
        """Forget a connection's grant."""
        from tieout.operations import consent

        connection = self.project.connection(name)
        return {"connections": [consent.forget(self.office(connection.company).desk, connection)]}

    def rotate_keys(self, *, company: str | None = None) -> Answer:
        """Seal every stored grant with a new key."""
        from tieout.operations import consent

        sealed = 0
        for office in self.offices(company):
            connections = [c for c in self.project.connections_of(office.desk.company.code) if c.error is None]
            sealed += consent.rotate(office.desk, connections)
        return {"sealed": sealed}

    # ── exceptions and master data ─────────────────────────────────────────────────────────────────────────────────
    def exceptions(self, *, state: str = "open", owner: str | None = None, company: str | None = None) -> Answer:
        rows = [
            row for office in self.offices(company) for row in people.exceptions(office.desk, state=state, owner=owner)
        ]
        return {"exceptions": rows, "count": len(rows)}

    def exception(self, number: int, *, company: str | None = None) -> Answer:
        office = self._with_exception(number, company)
        return people.exception(office.desk, office.intake, number)

    def retry(self, numbers: Sequence[int], *, everything: bool = False, company: str | None = None) -> Answer:
        """Try exceptions again; what goes through is posted and delivered by the next run."""
        if not numbers and not everything:
            raise UsageError("which exceptions?", fix="name their numbers, or --all")
        resolved = still = events = 0
        for office in self.offices(company):
            result = office.intake.retry(None if everything else numbers)
            office.desk.reload_masters()
            kept = office.books.keep(retry=True)
            sent, stuck = office.retry_refused(None if everything else numbers)
            resolved += len(result.resolved) + len(sent)
            still += len(result.open) + len(stuck)
            events += result.events or kept.events
        return {"resolved": resolved, "still_open": still, "events": events}

    def close_exceptions(self, numbers: Sequence[int], *, verb: str, reason: str, company: str | None = None) -> Answer:
        desk = self._with_exception(numbers[0], company).desk
        return {"done": people.close(desk, numbers, verb=verb, reason=reason)}

    def assign(self, numbers: Sequence[int], owner: str, *, company: str | None = None) -> Answer:
        return {"done": people.assign(self._with_exception(numbers[0], company).desk, numbers, owner)}

    def _with_exception(self, number: int, company: str | None) -> Office:
        for office in self.offices(company):
            if any(row["id"] == number for row in people.exceptions(office.desk, state="all")):
                return office
        raise UsageError(f"there is no exception {number}", code="TO8017", fix="tieout exceptions list --state all")

    def unmapped(self, kind: Kind, *, company: str | None = None) -> Answer:
        return {"unmapped": [row for office in self.offices(company) for row in people.unmapped(office.desk, kind)]}

    def alias(
        self,
        kind: Kind,
        *,
        external: str,
        code: str,
        connection: str = "",
        effective: str | None = None,
        company: str | None = None,
    ) -> Answer:
        desk = self.office(company).desk
        of = self.project.connection(connection).id if connection in self.project.connections else connection
        waiting = people.alias(desk, kind, external=external, code=code, connection=of, effective=effective)
        return {"waiting": waiting}

    def import_master(self, kind: Kind, path: Path, *, company: str | None = None) -> Answer:
        return people.import_master(self.office(company).desk, kind, path)

    def import_facts(self, path: Path, *, company: str | None = None) -> Answer:
        """Load dated facts: bills of materials, routings, prices, rates, standard costs, evidence."""
        return people.import_facts(self.office(company).desk, path)

    def merge_items(self, *, old: str, new: str, day: str, company: str | None = None) -> Answer:
        """Merge one SKU into another: from that day the old id means the new item, and its stock moves (ADJ-10)."""
        from tieout.operations.acts import merge_items

        return merge_items(self.office(company), old=old, new=new, day=day)

    def reapply(
        self, stream: str, *, company: str | None = None, since: str | None = None, save: bool = False
    ) -> Answer:
        """What mapping a stream's landed records again would change; `save` for `apply`. Changes nothing by itself."""
        from tieout.operations.reapplying import plan

        return plan(self._of_stream(stream, company), stream, since=since, save=save)

    def _of_stream(self, stream: str, company: str | None) -> Office:
        name = stream.partition("/")[0]
        if company is None and name in self.project.connections:
            company = self.project.connections[name].company
        return self.office(company)

    def mapping_coverage(self, connection: str, stream: str) -> Answer:
        from tieout.operations.reports import coverage

        chosen = self.project.connection(connection)
        return coverage(self.office(chosen.company), chosen, stream)

    # ── the database ───────────────────────────────────────────────────────────────────────────────────────────────
    def backup(self, file: Path) -> Answer:
        from tieout.store.backup import backup

        made = backup(self.store, file)
        return {"file": str(made.path), "sha256": made.sha256, "bytes": made.size}

    def verify(self) -> Answer:
        from tieout.operations.health import verify

        return verify(self.store, self.offices())

    def doctor(self) -> Answer:
        from tieout.operations.health import doctor

        return doctor(self.store, self.project, self.offices())


def _posted() -> dict[str, int]:
    return {"events": 0, "bookings": 0, "corrections": 0, "entries": 0, "refused": 0}


def _delivered() -> dict[str, Any]:
    return {"sealed": 0, "posted": 0, "rejected": 0, "parked": 0, "unknown": 0, "waiting": 0, "stopped": None}


def _status(companies: Sequence[Mapping[str, Any]]) -> Answer:
    """Several companies' tie-outs as one answer. `unexplained` adds up where they share a currency."""
    from decimal import Decimal

    total = sum((Decimal(one["unexplained"]) for one in companies), Decimal(0))
    return {
        "tied_out": all(one["tied_out"] for one in companies),
        "unexplained": str(total) if len(companies) != 1 else companies[0]["unexplained"],
        "companies": list(companies),
    }


def _exit_code(answer: Mapping[str, Any], held: int, delivered: Mapping[str, Any]) -> int:
    if not answer["tied_out"]:
        return NOT_TIED_OUT
    if held or delivered["rejected"] or delivered["parked"]:
        return PARTLY_DONE
    if delivered["stopped"] is not None:
        return UNAVAILABLE
    return 0


__all__ = ["TieoutError", "Workspace", "explain_topic", "new_plugin"]
