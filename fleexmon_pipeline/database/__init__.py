"""PostgreSQL: how to connect, what the tables are, and their named statements. Their use: the stages."""
