"""`fleexmon shadow`: what rules in shadow mode would have said."""
