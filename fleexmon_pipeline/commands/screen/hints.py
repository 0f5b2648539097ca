"""Names that a person typed and that nothing has: without a hint, an empty list would look like an answer.

They are hints, not errors: a rule, a node or a window may have been right an hour ago.
"""

from __future__ import annotations

import typer

from fleexmon_pipeline import settings
from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.watching.conditions import NODE as MONITOR
from fleexmon_pipeline.wording import one_line

MAX_NAMED = 20


def hint_at_nodes(connection: Connection, node: str | None) -> None:
    """Print a hint on stderr if `node`, for which nothing was found, was never polled."""
    if node is None or node == MONITOR:
        return
    from fleexmon_pipeline.comparison.read import known_nodes  # noqa: PLC0415  rarely used, and slow to import

    names = known_nodes(connection)
    if node in names:
        return
    shown = ", ".join(one_line(name, most=60) for name in names[:MAX_NAMED]) or "none"
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    typer.echo(f'fleexmon: no node "{one_line(node, most=60)}" was ever polled. Polled nodes: {shown}{more}.', err=True)


def hint_at_rules(rule: str) -> None:
    """Print a hint on stderr if `rule`, for which nothing was found, is not a rule in force."""
    from fleexmon_pipeline.detection.rule_files import all_rules  # noqa: PLC0415  likewise

    if rule not in {known.name for known in all_rules(settings.rules_directory(), settings.node_labels()).rules}:
        shown = one_line(rule, most=100)
        typer.echo(f'fleexmon: no rule "{shown}" is in force; `fleexmon rules list` lists them.', err=True)
