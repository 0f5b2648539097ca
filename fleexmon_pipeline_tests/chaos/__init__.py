"""The chaos suite: one fault at a time, then nobody helps, then what must hold does. `make chaos` runs all of it."""
