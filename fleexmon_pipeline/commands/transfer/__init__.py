"""`fleexmon export` and `fleexmon import`: logs and issues as files, and back."""
