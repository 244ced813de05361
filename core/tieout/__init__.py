"""tieout keeps inventory systems and accounting ledgers in exact agreement, to the cent, and proves it.

This is the public surface: what connector authors, integrators and scripts import. Everything else may change.
Names load on first use, so that `tieout --help` starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tieout.cli.shell import table as table
    from tieout.config import Secret as Secret
    from tieout.connector import API_VERSION as API_VERSION
    from tieout.connector import BatchLedger as BatchLedger
    from tieout.connector import Capabilities as Capabilities
    from tieout.connector import Context as Context
    from tieout.connector import Finding as Finding
    from tieout.connector import Idempotency as Idempotency
    from tieout.connector import Ledger as Ledger
    from tieout.connector import Manifest as Manifest
    from tieout.connector import Page as Page
    from tieout.connector import Sending as Sending
    from tieout.connector import Source as Source
    from tieout.connector import StockReport as StockReport
    from tieout.connector import StockRow as StockRow
    from tieout.connector import Stream as Stream
    from tieout.errors import Ambiguous as Ambiguous
    from tieout.errors import Drift as Drift
    from tieout.errors import Fatal as Fatal
    from tieout.errors import NeedsReauth as NeedsReauth
    from tieout.errors import RateLimited as RateLimited
    from tieout.errors import Refused as Refused
    from tieout.errors import Rejected as Rejected
    from tieout.errors import Retryable as Retryable
    from tieout.errors import TieoutError as TieoutError
    from tieout.errors import UsageError as UsageError
    from tieout.errors import VendorError as VendorError
    from tieout.hookspecs import hookimpl as hookimpl
    from tieout.http.answers import Answer as Answer
    from tieout.http.budgets import Points as Points
    from tieout.http.budgets import Purse as Purse
    from tieout.http.budgets import Window as Window
    from tieout.http.client import Http as Http
    from tieout.http.grants import Endpoint as Endpoint
    from tieout.http.grants import FixedToken as FixedToken
    from tieout.http.grants import Tokens as Tokens
    from tieout.model.event import Event as Event
    from tieout.model.event import EventLine as EventLine
    from tieout.model.event import Line as Line
    from tieout.model.event import Ref as Ref
    from tieout.model.journal import Balance as Balance
    from tieout.model.journal import Document as Document
    from tieout.model.journal import DocumentLine as DocumentLine
    from tieout.model.journal import Flow as Flow
    from tieout.model.journal import LedgerEntry as LedgerEntry
    from tieout.model.journal import Receipt as Receipt
    from tieout.model.master import Account as Account
    from tieout.model.master import Item as Item
    from tieout.model.master import Location as Location
    from tieout.model.master import Party as Party
    from tieout.model.money import Money as Money
    from tieout.model.policy import Policy as Policy
    from tieout.model.policy import PolicyBook as PolicyBook
    from tieout.model.roles import ROLES as ROLES
    from tieout.valuation import Valuation as Valuation
    from tieout.valuation import value as value
    from tieout.valuation import value_group as value_group
    from tieout.webhooks import Notice as Notice
    from tieout.webhooks import is_signed as is_signed
    from tieout.workspace import Workspace as Workspace

_HOME = {
    "tieout.cli.shell": ("table",),
    "tieout.config": ("Secret",),
    "tieout.connector": (
        "API_VERSION",
        "BatchLedger",
        "Capabilities",
        "Context",
        "Finding",
        "Idempotency",
        "Ledger",
        "Manifest",
        "Page",
        "Sending",
        "Source",
        "StockReport",
        "StockRow",
        "Stream",
    ),
    "tieout.errors": (
        "Ambiguous",
        "Drift",
        "Fatal",
        "NeedsReauth",
        "RateLimited",
        "Refused",
        "Rejected",
        "Retryable",
        "TieoutError",
        "UsageError",
        "VendorError",
    ),
    "tieout.hookspecs": ("hookimpl",),
    "tieout.http.answers": ("Answer",),
    "tieout.http.budgets": ("Points", "Purse", "Window"),
    "tieout.http.client": ("Http",),
    "tieout.http.grants": ("Endpoint", "FixedToken", "Tokens"),
    "tieout.model.event": ("Event", "EventLine", "Line", "Ref"),
    "tieout.model.journal": ("Balance", "Document", "DocumentLine", "Flow", "LedgerEntry", "Receipt"),
    "tieout.model.master": ("Account", "Item", "Location", "Party"),
    "tieout.model.money": ("Money",),
    "tieout.model.policy": ("Policy", "PolicyBook"),
    "tieout.model.roles": ("ROLES",),
    "tieout.valuation": ("Valuation", "value", "value_group"),
    "tieout.webhooks": ("Notice", "is_signed"),
    "tieout.workspace": ("Workspace",),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_WHERE, "__version__"])  # noqa: PLE0605  (frozen by tests/test_public_names.py)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'tieout' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return __all__
