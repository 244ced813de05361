"""Recorded traffic of a connection: `recording` writes it without secrets and persons, `replaying` answers from it."""
