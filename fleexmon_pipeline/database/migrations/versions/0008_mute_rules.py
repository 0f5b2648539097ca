"""A mute may be about a rule, and says why it ended."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0008"
down_revision = "0007"
upgrade = sql_beside(__file__)
