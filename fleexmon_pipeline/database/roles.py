"""Roles with least privilege: one owns the tables, one writes rows, and one only reads.

Here: filling names into the script that an administrator runs. The rights: `roles.sql`, `roles_of_one.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from psycopg import sql

from fleexmon_pipeline.database.server import dagster_database_name


def roles_script(database: str, prefix: str) -> str:
    """A script for psql that makes the roles `<prefix>_owner`, `_writer` and `_reader` of this database and
    Dagster's."""
    names = {role: f"{prefix}_{role}" for role in ("owner", "writer", "reader")}
    databases = [database, dagster_database_name(database)]
    return "".join(
        [
            _filled("roles.sql", names, databases=_literals(databases), names=_literals(names.values())),
            *(_filled("roles_of_one.sql", names, database=sql.Identifier(name)) for name in databases),
        ]
    )


def _literals(texts: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Literal(text) for text in texts)


def _filled(file: str, roles: dict[str, str], **more: sql.Composable) -> str:
    template = (files(__package__) / file).read_text("utf-8")
    values = {**{role: sql.Identifier(name) for role, name in roles.items()}, **more}
    texts = {f"{role}_name": sql.Literal(name) for role, name in roles.items()}
    return sql.SQL(template).format(**values, **texts).as_string(None)
