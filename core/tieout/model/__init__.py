"""The vocabulary: pure data, no I/O, nothing of ours imported from outside this package."""
