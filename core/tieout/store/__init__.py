"""Tables, queries, migrations and transactions, for SQLite and PostgreSQL alike."""
