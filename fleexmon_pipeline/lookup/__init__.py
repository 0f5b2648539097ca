"""Queries that commands and pages share: nodes, lines, patterns, rules in shadow mode."""
