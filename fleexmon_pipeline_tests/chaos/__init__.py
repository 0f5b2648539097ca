"""The chaos suite: after a single fault, and without human help, all invariants hold. `make chaos` runs all of it."""
