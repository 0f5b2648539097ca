"""Kinds of sources that can be polled for log lines, one module each."""
