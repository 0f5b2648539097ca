"""The commands of `fleexmon`, a module each: its options and what it does. Their list: `cli.py`."""
