"""The embedded PostgreSQL server, which runs if DATABASE_URL is not set."""
