"""`tieout worker`: Procrastinate carries wake-ups between processes and machines; what is true stands in the lanes.

A job says "drain lane 17". Lose every job, or all of Procrastinate's tables, and the sweep makes them again: `store.lanes`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tieout import config
from tieout.errors import StoreError, UsageError
from tieout.operations.working import Say, Worker
from tieout.store import dialect, lanes
from tieout.store.store import Store

if TYPE_CHECKING:
    import procrastinate

log = logging.getLogger("tieout.worker")

TICK_SECONDS: Final = 1.0  # seconds
POLL_SECONDS: Final = 2.0  # seconds: where a pooler swallows notifications, a job waits this long
GRACE_SECONDS: Final = 90
CONCURRENCY_MAX: Final = 12  # a lane in work needs a connection, and the store has 16


def prepare(store: Store) -> None:
    """Make Procrastinate's tables where they are not. Several processes may do so at once."""
    from procrastinate.schema import SchemaManager

    with store.write(rows_only=True) as tx:
        tx.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({dialect.UPGRADE_LOCK})")
        if not lanes.has_jobs(tx):
            raw: Any = tx.connection.connection.driver_connection
            raw.execute(SchemaManager.get_schema())


def serve(folder: Path, actor: str, concurrency: int, say: Say) -> int:
    """Drain lanes until a termination signal; what runs comes to its end first. Returns how many drains there were.

    StoreError TO8025 on SQLite; UsageError TO8026 without the package.
    """
    try:
        import procrastinate  # noqa: F401
    except ImportError:
        raise UsageError(
            "workers need a package that is not installed", code="TO8026", fix="pip install 'tieout[workers]'"
        ) from None
    project = config.load(folder)
    with Store.open(project.store_url(), create=True) as store:
        return Process(Worker(project, store, actor, say), min(concurrency, CONCURRENCY_MAX)).run()


class Process:
    """One worker process: a thread for the clock and the sweep, `concurrency` threads for lanes."""

    def __init__(self, worker: Worker, concurrency: int) -> None:
        self.worker = worker
        self.concurrency = concurrency
        self._over = threading.Event()
        self._drained = 0

    def run(self) -> int:
        """Until a termination signal."""
        store = self.worker.store
        prepare(store)
        self.worker.open_companies()
        self.worker.say(f"working on {store.where} with {self.concurrency} threads; stop with Ctrl-C")
        clock = threading.Thread(target=self._clock, name="tieout clock", daemon=True)
        clock.start()
        try:
            while not self._carried():
                prepare(store)  # its tables are gone; what they carried is in the lanes
        finally:
            self._over.set()
            clock.join(GRACE_SECONDS)
        return self._drained

    def _carried(self) -> bool:
        """Whether the carrier ended by a signal; False when it lost its tables or its connection."""
        import psycopg
        from procrastinate.exceptions import ProcrastinateException

        try:
            asyncio.run(self._carry())
        except (ProcrastinateException, psycopg.Error, ExceptionGroup) as error:
            log.warning("the carrier of wake-ups stopped (%s); it is started again", error)
            return self._over.wait(TICK_SECONDS)
        return True

    async def _carry(self) -> None:
        app = self._app()
        # asyncio's own pool is sized by processors; drains wait for vendors
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="tieout lane") as threads:
            loop.set_default_executor(threads)
            async with app.open_async():
                await app.run_worker_async(
                    queues=[lanes.QUEUE],
                    concurrency=self.concurrency,
                    fetch_job_polling_interval=POLL_SECONDS,
                    shutdown_graceful_timeout=GRACE_SECONDS,
                    delete_jobs="always",
                )

    def _app(self) -> procrastinate.App:
        from procrastinate import App, PsycopgConnector

        url = self.worker.store.url.set(drivername="postgresql").render_as_string(hide_password=False)
        app = App(connector=PsycopgConnector(conninfo=url, kwargs={"prepare_threshold": None}))

        @app.task(name=lanes.TASK)
        def drain(lane: int) -> None:
            self._drained += self.worker.drain(lane) is not None

        return app

    def _clock(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            try:
                self.worker.tick()
                self.worker.sweep()
            except StoreError as error:
                log.warning("the clock is late: %s", error)
