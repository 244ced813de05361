"""The `beancount` connector: a ledger kept as beancount text, written by tieout and by people. A ledger.

Beancount itself is never imported: files are written and read here, and its programs only check them.
"""

from __future__ import annotations

from tieout import Ledger, hookimpl
from tieout_beancount.ledger import BeancountLedger

__all__ = ["BeancountLedger"]


@hookimpl
def tieout_connector() -> type[Ledger]:
    return BeancountLedger
