"""Runs the SQL file of the same name."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0003"
down_revision = "0002"
upgrade = sql_beside(__file__)
