"""`fleexmon issues`: list issues, show one, and record people's actions."""
