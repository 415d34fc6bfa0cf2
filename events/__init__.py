"""Event logs: reading any log, the store that checks ask, and the sample log."""
