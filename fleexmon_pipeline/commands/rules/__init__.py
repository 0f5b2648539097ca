"""`fleexmon rules`: which are in force, whether files are right, and what changed ones would have found."""
