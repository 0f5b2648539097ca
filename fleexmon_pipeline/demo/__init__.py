"""The demo: two nodes of a small shop to watch, if you have no nodes yet."""
