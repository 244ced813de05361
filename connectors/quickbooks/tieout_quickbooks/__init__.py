"""The `quickbooks` connector: QuickBooks Online as a ledger, and as a source of bills.

Written against the Accounting API v3, minor version 75. Journal entries are posted once per `requestid`, found again by
DocNumber, and never changed; a correction is a further entry.
"""

from __future__ import annotations

from tieout import Ledger, hookimpl
from tieout_quickbooks.ledger import QuickBooks

__all__ = ["QuickBooks"]


@hookimpl
def tieout_connector() -> type[Ledger]:
    return QuickBooks
