"""`fleexmon doctor`: every setting and outside system, checked now, and the checks that fail."""
