"""Turn nodes' answers into rows of LogEntry, each line once, and account for every record."""
