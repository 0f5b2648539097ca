"""What people call a pattern, and which ones they do not want to hear of."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0009"
down_revision = "0008"
upgrade = sql_beside(__file__)
