"""The `shopify` connector: orders, fulfilments, returns, transfers, adjustments and stock of a Shopify shop. A source.

Written against the Admin GraphQL API, version 2026-10. Documents are literal texts (`queries.py`), so they can be checked
against the published schema.
"""

from __future__ import annotations

from tieout import Source, hookimpl
from tieout_shopify.source import Shopify

__all__ = ["Shopify"]


@hookimpl
def tieout_connector() -> type[Source]:
    return Shopify
