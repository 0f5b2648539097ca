"""Baselines of nodes and their patterns, learnt once a day, and how far a window deviates from them."""
