"""A sample company from a seed: three months of a home goods trader, its feeds, and what must come of them."""

from __future__ import annotations

from tieout_sandbox.sample.acts import ACTS, Act, acts, backdate, cancel, edit, redeliver, unknown_sku
from tieout_sandbox.sample.project import SampleCompany, create

__all__ = ["ACTS", "Act", "SampleCompany", "acts", "backdate", "cancel", "create", "edit", "redeliver", "unknown_sku"]
