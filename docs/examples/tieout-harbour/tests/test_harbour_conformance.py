"""The connector against tieout's conformance kit: about fifty tests, faults included."""

from __future__ import annotations

from pathlib import Path

from stub import Stub
from tieout.testing import Bench, SourceConformance

import tieout_harbour.source
from tieout_harbour import Harbour

TOKEN = "a-token-that-must-show-nowhere"
tieout_harbour.source.PAGE_RECORDS = 7  # so that the feed fills several pages


class TestHarbour(SourceConformance):
    stream = "moves"
    mapping = Path(tieout_harbour.source.__file__).parent / "mappings" / "harbour_moves.yaml"

    def vendor(self, bench: Bench) -> Stub:
        return Stub(TOKEN, bench.clock.utc)

    def connector(self, bench: Bench) -> Harbour:
        return Harbour(bench.context(Harbour, {"token": bench.secret("token", TOKEN)}))

    def add(self, bench: Bench) -> None:
        bench.vendor.book(kind="in", sku="MUG", site="MAIN", quantity=3, customer={"email": "new@example.org"})

    def edit(self, bench: Bench) -> None:
        bench.vendor.book(number="M-0003", quantity=99)

    def delete(self, bench: Bench) -> None:
        bench.vendor.book(number="M-0005", state="deleted")
