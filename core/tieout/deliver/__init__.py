"""From the journal to the ledger: entries are opened, sealed, sent once, looked up when in doubt, and read back."""
