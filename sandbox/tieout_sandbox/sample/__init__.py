"""A sample company from a seed: three months of a home goods trader, its feeds, and what must come of them."""

from __future__ import annotations

from tieout_sandbox.sample.project import ACTS, SampleCompany, acts, create, deliver

__all__ = ["ACTS", "SampleCompany", "acts", "create", "deliver"]
