"""The tie-out: source stock = subledger quantity, subledger value = ledger balances, outbox = ledger documents."""
