"""Shopify: a shop whose stock, orders and money move each other, behind the Admin GraphQL API."""

from tieout_sandbox.simulators.shopify.app import ShopifySim

__all__ = ["ShopifySim"]
