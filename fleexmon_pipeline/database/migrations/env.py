"""What alembic runs: every migration inside the one transaction that `migrate` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="FleexmonVersion")
context.run_migrations()
