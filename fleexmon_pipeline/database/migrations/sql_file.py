"""A migration is a SQL file; alembic asks for a Python module beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import op


def sql_beside(module: str) -> Callable[[], None]:
    """An `upgrade` that runs the `.sql` file beside `module`, as it stands."""

    def upgrade() -> None:
        op.get_bind().exec_driver_sql(Path(module).with_suffix(".sql").read_text("utf-8").replace("%", "%%"))

    return upgrade
