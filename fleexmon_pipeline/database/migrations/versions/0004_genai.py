"""What GenAI costs, replays of past windows, and an index for the search in resolved issues."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0004"
down_revision = "0003"
upgrade = sql_beside(__file__)
