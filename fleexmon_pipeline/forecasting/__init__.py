"""Hourly series become predictions."""
