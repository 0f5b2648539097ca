"""What was forecast, and what became of it."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0006"
down_revision = "0005"
upgrade = sql_beside(__file__)
