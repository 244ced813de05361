"""From a source's pages to landed records and event lines: dedup, revisions, resolution, cursors, in one transaction."""
