"""Makes `tests.valuation.*` importable however pytest is started, and names the hypothesis profiles of this folder."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("valuation", max_examples=40, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("valuation-ci", max_examples=500, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("nightly", max_examples=10_000, deadline=timedelta(minutes=5), suppress_health_check=_QUIET)
# A landing is judged on the same histories each time; new ones are looked for locally and at night.
settings.register_profile(
    "valuation-landing", max_examples=40, deadline=None, suppress_health_check=_QUIET, derandomize=True, database=None
)
settings.load_profile(os.environ.get("TIEOUT_HYPOTHESIS", "valuation-landing" if os.environ.get("CI") else "valuation"))
