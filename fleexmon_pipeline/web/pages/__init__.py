"""Read-only pages under /fleexmon: what the commands print, for a browser."""
