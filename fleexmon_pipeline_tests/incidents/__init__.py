"""Incidents: grouping, order, people."""
