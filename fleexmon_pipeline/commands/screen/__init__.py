"""Output for a person at a terminal: lists with headings, colours, the local time zone, a pager, progress.

A pipe gets none of this, but one row per line, in UTC, in a stable format for scripts.
"""
