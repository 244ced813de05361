"""For authors of connectors: a kit of generated tests, and what they need to stand in for a vendor.

    from tieout.testing import Bench, SourceConformance

    class TestAcme(SourceConformance):
        stream = "moves"

        def vendor(self, bench: Bench) -> AcmeStub: ...
        def connector(self, bench: Bench) -> Acme: ...

Names load on first use; pytest is needed only where tests run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tieout.testing.bench import Bench as Bench
    from tieout.testing.bench import Clock as Clock
    from tieout.testing.bench import MemoryVault as MemoryVault
    from tieout.testing.ledger_kit import LedgerConformance as LedgerConformance
    from tieout.testing.running import run_kit as run_kit
    from tieout.testing.source_kit import SourceConformance as SourceConformance
    from tieout.testing.tap import Tap as Tap

_WHERE = {
    "Bench": "bench",
    "Clock": "bench",
    "LedgerConformance": "ledger_kit",
    "MemoryVault": "bench",
    "SourceConformance": "source_kit",
    "Tap": "tap",
    "run_kit": "running",
}
__all__ = sorted(_WHERE)  # noqa: PLE0605  (the names above)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tieout.testing' has no attribute {name!r}")
    return getattr(import_module(f"tieout.testing.{_WHERE[name]}"), name)
