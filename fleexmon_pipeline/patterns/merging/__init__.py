"""Templates that differ only in values merge into one."""
