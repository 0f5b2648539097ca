"""Read-only pages under /fleexmon, with the same content as the commands."""
