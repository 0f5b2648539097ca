"""Templates that differ only where a value stands become one."""
