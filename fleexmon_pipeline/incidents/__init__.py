"""Incidents: issues that share a cause, told as one story."""
