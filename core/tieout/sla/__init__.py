"""What was promised and what was kept: latency, freshness, availability and quality of a stream, from stored stamps."""
