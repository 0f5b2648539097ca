"""Evaluate how well an agent explains incidents whose cause is known."""
