"""`fleexmon database`: its tables, and roles with the least rights."""
