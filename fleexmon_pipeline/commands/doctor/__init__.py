"""`fleexmon doctor`: check every setting and outside system now, and show failing asset checks."""
