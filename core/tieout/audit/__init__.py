"""The evidence: hash chains, traces, exports an auditor can check without us."""
