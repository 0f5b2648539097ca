"""What people look up: nodes, lines, patterns, rules in shadow mode. One reading for commands and pages."""
