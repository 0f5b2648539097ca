"""When which version came to a node."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0007"
down_revision = "0006"
upgrade = sql_beside(__file__)
