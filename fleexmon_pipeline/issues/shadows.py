"""What rules in shadow mode would have said: kept apart from occurrences, so that no issue follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.database.statements import statements
from fleexmon_pipeline.issues.occurrence import Occurrence
from fleexmon_pipeline.window import Window

SQL = statements("history")


def write_shadows(
    connection: Connection, occurrences: Sequence[Occurrence], window: Window, *, rules: Collection[str] | None = None
) -> None:
    """Replace what rules in shadow mode (only these, where given) would have said of the window's slots."""
    said = {(each.fingerprint, each.slot): each for each in occurrences}
    keys = {"fingerprints": [name for name, _ in said], "slots": [slot for _, slot in said]}
    bounds = {"since": window.since, "until": window.until, "rules": None if rules is None else list(rules)}
    with connection.transaction():
        connection.execute(SQL["delete_shadows"], {**bounds, **keys})
        for (fingerprint, slot), each in sorted(said.items()):
            row = {"fingerprint": fingerprint, "slot": slot, "rule": each.rule, "severity": str(each.severity)}
            told = {"title": each.title, "nodes": list(each.nodes), "affected": each.affected}
            connection.execute(SQL["say_shadow"], {**row, **told})
