"""Occurrences of rules in shadow mode, stored separately so that they make no issues."""

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
    """Replace the window's occurrences of rules in shadow mode, or only of `rules`."""
    by_key = {(occurrence.fingerprint, occurrence.slot): occurrence for occurrence in occurrences}
    keys = {"fingerprints": [name for name, _ in by_key], "slots": [slot for _, slot in by_key]}
    bounds = {"since": window.since, "until": window.until, "rules": None if rules is None else list(rules)}
    with connection.transaction():
        connection.execute(SQL["delete_shadows"], {**bounds, **keys})
        for (fingerprint, slot), occurrence in sorted(by_key.items()):
            row = {
                "fingerprint": fingerprint,
                "slot": slot,
                "rule": occurrence.rule,
                "severity": str(occurrence.severity),
            }
            texts = {"title": occurrence.title, "wording": occurrence.wording}
            row |= {"nodes": list(occurrence.nodes), "affected": occurrence.affected}
            connection.execute(SQL["upsert_shadow"], {**row, **texts})
