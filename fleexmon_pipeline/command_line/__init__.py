"""The words and options of the `fleexmon` command, a file a group. It begins in `cli.py`; what it does: `commands/`."""
