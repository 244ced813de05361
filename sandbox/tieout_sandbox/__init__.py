"""Sample companies and replayable feeds."""
