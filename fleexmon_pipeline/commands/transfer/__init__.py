"""`fleexmon export` and `fleexmon import`: logs and issues to files, and back."""
