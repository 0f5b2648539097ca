"""What is normal for a node and its patterns, learnt once a day, and how far a window is from it."""
