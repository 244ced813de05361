"""QuickBooks Online as far as tieout meets it: OAuth with rotation, entities with their rules, queries, reports, CDC, webhooks."""

from tieout_sandbox.simulators.quickbooks.app import QuickBooksSim

__all__ = ["QuickBooksSim"]
