"""`fleexmon status`: the whole at one glance."""
