"""`fleexmon web` and `fleexmon open`: the pages on a port of their own, and one of them in a browser."""
