"""The connector against tieout's conformance kit: about fifty tests, faults included."""

from __future__ import annotations

from pathlib import Path

from stub import Stub
from tieout.testing import Bench, SourceConformance

import $module.source
from $module import $cls

TOKEN = "a-token-that-must-show-nowhere"
$module.source.PAGE_RECORDS = 7  # so that the feed fills several pages


class Test$cls(SourceConformance):
    stream = "moves"
    mapping = Path($module.source.__file__).parent / "mappings" / "${plain}_moves.yaml"

    def vendor(self, bench: Bench) -> Stub:
        return Stub(TOKEN, bench.clock.utc)

    def connector(self, bench: Bench) -> $cls:
        return $cls(bench.context($cls, {"token": bench.secret("token", TOKEN)}))

    def add(self, bench: Bench) -> None:
        bench.vendor.book(kind="in", sku="MUG", site="MAIN", quantity=3, customer={"email": "new@example.org"})

    def edit(self, bench: Bench) -> None:
        bench.vendor.book(number="M-0003", quantity=99)

    def delete(self, bench: Bench) -> None:
        bench.vendor.book(number="M-0005", state="deleted")
