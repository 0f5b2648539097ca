"""`fleexmon status`: the overall state."""
