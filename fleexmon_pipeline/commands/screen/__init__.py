"""What a person sees who reads in a terminal: lists with headings, colours, their own time zone, a pager, progress.

A pipe gets none of it: its text is as it always was, in UTC, one row a line, so that scripts can rely on it.
"""
