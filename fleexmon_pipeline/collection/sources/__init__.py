"""Sources that can be polled for log lines: `ask.py` chooses one; a module per kind; what they share."""
