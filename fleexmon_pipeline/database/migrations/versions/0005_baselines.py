"""What is usual for a node, and what detection has seen of an hour."""

from fleexmon_pipeline.database.migrations.sql_file import sql_beside

revision = "0005"
down_revision = "0004"
upgrade = sql_beside(__file__)
