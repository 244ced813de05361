"""From flows to journal: accounts and dates, the delta to what is posted, entries, documents. Pure: no I/O, no clock."""
