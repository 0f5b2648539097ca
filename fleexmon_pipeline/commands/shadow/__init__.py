"""`fleexmon shadow`: show what rules in shadow mode would have reported."""
