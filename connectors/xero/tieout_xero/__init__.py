"""The `xero` connector: Xero as a ledger.

Written against the Accounting API 2.0. Manual journals go out up to fifty a call, each with an answer of its own; they are
found again by our reference at the beginning of the narration, and never changed: a correction is a further journal.
"""

from __future__ import annotations

from tieout import Ledger, hookimpl
from tieout_xero.ledger import Xero

__all__ = ["Xero"]


@hookimpl
def tieout_connector() -> type[Ledger]:
    return Xero
