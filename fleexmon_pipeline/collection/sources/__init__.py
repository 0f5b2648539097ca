"""Sources of log lines: one module per kind, shared parts, and `ask.py`, which chooses the source of a node."""
