"""The kit for sources, on a folder of CSV files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tests.connectors.files.dropfolder import put

from tieout.testing import Bench, SourceConformance
from tieout_files import FilesSource

HEAD = "id,rev,sku,qty,price,at,buyer\n"


class Folder:
    """A 3PL that drops a whole file each day; a sweep's file is replaced by the newer whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows = dict.fromkeys(range(1, 25), 1)
        self.days = 0
        self.write()

    def write(self) -> None:
        rows = "".join(
            f"{n},{rev},SKU-{n % 5},{n}.5,{rev}.10,2026-10-0{n % 9 + 1}T10:00:00Z,buyer-{n}@example.org\n"
            for n, rev in self.rows.items()
        )
        self.days += 1
        path = put(self.root / "in/moves.csv", HEAD + rows)
        then = time.time_ns() - 3_600 * 10**9 + self.days * 10**9
        os.utime(path, ns=(then, then))
        put(self.root / "in/stock.csv", "sku,site,qty,day\nSKU-1,MAIN,3.5,2026-11-01\nSKU-2,MAIN,7,2026-11-01\n")


class TestFiles(SourceConformance):
    stream = "moves"
    more: dict[str, Any] = {"revision": "rev"}  # noqa: RUF012

    def vendor(self, bench: Bench) -> Folder:
        return Folder(bench.folder)

    def connector(self, bench: Bench) -> FilesSource:
        moves = {"name": "moves", "path": "in/moves.csv", "key": ["id"], "page_size": 5, "personal": ["buyer"]}
        stock = {
            "name": "stock",
            "path": "in/stock.csv",
            "kind": "stock",
            "stock": {"item": "sku", "location": "site", "quantity": "qty", "as_of": "day"},
        }
        return FilesSource(bench.context(FilesSource, {"streams": [{**moves, **self.more}, stock]}))

    def add(self, bench: Bench) -> None:
        bench.vendor.rows[100 + len(bench.vendor.rows)] = 1
        bench.vendor.write()

    def edit(self, bench: Bench) -> None:
        bench.vendor.rows[3] += 1
        bench.vendor.write()

    def delete(self, bench: Bench) -> None:
        del bench.vendor.rows[7]
        bench.vendor.write()


class TestSnapshots(TestFiles):
    """Each file is everything there is: what it no longer lists was deleted."""

    more: dict[str, Any] = {"deletes": "sweep", "page_size": 5}  # noqa: RUF012
