"""The `$name` connector: a ledger for tieout."""

from __future__ import annotations

from tieout import Ledger, hookimpl

from $module.ledger import $cls

__all__ = ["$cls"]


@hookimpl
def tieout_connector() -> type[Ledger]:
    return $cls
