"""The commands of `fleexmon`, one module or package each. Their list: `cli.py`."""
