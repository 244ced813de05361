"""Fixtures of the tests of calls to vendors."""

from tests.http.vendor import nowhere, vendor

__all__ = ["nowhere", "vendor"]
