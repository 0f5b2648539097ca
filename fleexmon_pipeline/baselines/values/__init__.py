"""Baselines of the values in a pattern's lines: durations, and how much values vary."""
