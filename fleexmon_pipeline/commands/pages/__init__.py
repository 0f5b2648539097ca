"""`fleexmon web` serves the pages on their own port, `fleexmon open` opens one in a browser."""
