"""The `beancount` connector: a ledger kept as beancount text, written by tieout and by people. A ledger.

Beancount itself is never imported: files are written and read here, and its programs only check them.
"""

from __future__ import annotations

from tieout import Ledger, hookimpl
from tieout_beancount.codes import CODES
from tieout_beancount.config import BeancountConfig
from tieout_beancount.ledger import Beancount

__all__ = ["CODES", "Beancount", "BeancountConfig", "tieout_connector"]


@hookimpl
def tieout_connector() -> type[Ledger]:
    return Beancount
