"""Shopify's global ids, shortened to what people see in the admin."""

from __future__ import annotations


def short(gid: str) -> str:
    """`gid://shopify/Order/123` → `123`; query parts of an id stay, they tell levels apart."""
    return gid.rpartition("/")[2] if gid.startswith("gid://") else gid
