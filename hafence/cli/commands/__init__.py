"""One small file per command: its options, the workflow it plays, the writer of its result."""
