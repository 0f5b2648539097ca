"""Lines become patterns, and patterns become counts per slot, node and level."""
