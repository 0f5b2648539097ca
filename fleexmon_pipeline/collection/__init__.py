"""Nodes' answers become rows of LogEntry, once, with an account of every record."""
