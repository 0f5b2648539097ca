"""Which part of a record, or of a line of text, is its time, its level and its message."""
