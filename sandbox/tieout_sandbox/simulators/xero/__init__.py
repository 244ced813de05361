"""Xero as far as tieout meets it: OAuth with rotation and grace, manual journals, documents, lock dates, budgets, keys of six minutes."""

from tieout_sandbox.simulators.xero.app import XeroSim

__all__ = ["XeroSim"]
