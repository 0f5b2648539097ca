"""Merged patterns, and patterns of other masks: own ids stay, and old ids lead to new ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleexmon_pipeline.genai import evidence
from fleexmon_pipeline.patterns import masks, store
from fleexmon_pipeline.patterns.masks import MASK_VERSION
from fleexmon_pipeline.patterns.placeholders import PLACEHOLDER
from fleexmon_pipeline.patterns.read_counts import read_counts
from fleexmon_pipeline.patterns.templates import pattern_id
from fleexmon_pipeline.window import SLOT, Window, slot_number
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.patterns.counted_lines import HOUR, SUMS, TEN, insert, rebuild


def test_a_merge_keeps_own_ids_and_makes_aliases_that_the_next_process_knows(database: Database) -> None:
    texts = [f"job {name} has finished its work on the queue" for name in ("mail", "index", "backup")]
    with database.connect() as connection:
        insert(connection, texts[:1])
        alone = rebuild(connection)
        insert(connection, texts, at=TEN + SLOT)
        merged = rebuild(connection, Window(TEN + SLOT, TEN + 2 * SLOT))
        insert(connection, ["job cleanup has finished its work on the queue"], at=TEN + 2 * SLOT)
        later = rebuild(connection, Window(TEN + 2 * SLOT, TEN + 3 * SLOT))
        stored = {row["id"]: row for row in connection.execute('SELECT * FROM "LogPattern"')}
        counted = {row["pattern"] for row in connection.execute('SELECT DISTINCT pattern FROM "LogPatternCount"')}

    general = pattern_id(["job", "\ue000", "has", "finished", "its", "work", "on", "the", "queue"])
    assert len(counted) == 4
    assert {stored[own]["aliasOf"] for own in counted} == {general}
    assert stored[general]["template"] == "job <*> has finished its work on the queue"
    assert stored[general]["aliasOf"] is None
    # The merged pattern is as old as the oldest of its lines: nothing about it is new.
    assert stored[general]["firstSeen"] == TEN
    assert (len(alone.new), merged.new, later.new, later.patterns) == (1, [], [], 1)


def test_a_merge_counts_from_the_slot_it_arose_in_and_a_rerun_keeps_that(database: Database) -> None:
    texts = [f"job {name} has finished its work on the queue" for name in ("mail", "index", "backup")]
    with database.connect() as connection:
        insert(connection, texts[:1])
        insert(connection, texts, at=TEN + SLOT)
        for slot in HOUR.slots():
            rebuild(connection, slot)
        first = [each for rows in read_counts(connection, HOUR).rows.values() for each in rows]
        earlier = evidence.read_evidence(connection, Window(TEN, TEN + SLOT)).patterns
        later = evidence.read_evidence(connection, HOUR).patterns
        rebuild(connection)
        again = [each for rows in read_counts(connection, HOUR).rows.values() for each in rows]
        since = {
            row["aliasSince"] for row in connection.execute('SELECT * FROM "LogPattern" WHERE "aliasOf" IS NOT NULL')
        }

    before, after = ({row.pattern for row in first if row.slot == slot_number(slot)} for slot in (TEN, TEN + SLOT))
    assert (len(before), len(after), before & after) == (1, 1, set())
    assert sorted(map(str, again)) == sorted(map(str, first))
    assert since == {TEN + SLOT}
    assert (set(earlier), set(later)) == (before, after)


class Unmasked(dict[str, str]):
    def __missing__(self, word: str) -> str:
        return word


def test_a_changed_mask_set_makes_ids_anew_and_old_ids_lead_to_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.connect() as connection:
        insert(connection, ["user bob paid 5", "user eve paid 7", "done"])
        # The older set knew no numbers, let us say: each line was a pattern of its own, and two had merged.
        with monkeypatch.context() as older:
            older.setattr(masks, "_words", Unmasked())
            older.setattr(store, "MASK_VERSION", MASK_VERSION - 1)
            rebuild(connection)
            old = {row["pattern"] for row in connection.execute('SELECT pattern FROM "LogPatternCount"')}
            general = pattern_id(["user", PLACEHOLDER, "paid", PLACEHOLDER])
            connection.execute(
                """INSERT INTO "LogPattern"
                SELECT %s, 'user <*> paid <*>', level, "firstSeen", "lastSeen", "maskVersion"
                FROM "LogPattern" LIMIT 1""",
                [general],
            )
            connection.execute('UPDATE "LogPattern" SET "aliasOf" = %s WHERE template LIKE %s', [general, "user _ob%"])
            connection.execute('UPDATE "LogPattern" SET "firstSeen" = %s', [TEN - SLOT])

        account = rebuild(connection)
        rows = {row["id"]: row for row in connection.execute('SELECT * FROM "LogPattern"')}
        new = {row["pattern"] for row in connection.execute('SELECT pattern FROM "LogPatternCount"')}
        again = rebuild(connection)

    gone = old - new
    assert (len(old), len(new), len(gone)) == (3, 3, 2)
    assert {rows[pattern]["aliasOf"] for pattern in gone} == new - old
    assert rows[general]["aliasOf"] in new - old
    assert {rows[pattern]["aliasSince"] for pattern in gone} == {None}
    assert account.new == []
    assert again.changed == 0
    assert database.rows(SUMS) == []


def test_a_changed_mask_set_keeps_the_slot_from_which_a_merge_counts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rerun under new masks learns its merges anew, in whatever slot its lines allow it. History stays as it was."""
    texts = [f"job {name} has finished its work on the queue" for name in ("mail", "index", "backup")]
    alone = "the disk is getting full"
    before, after = HOUR, Window(HOUR.until, HOUR.until + timedelta(hours=1))

    def resolved() -> list[str]:
        rows = read_counts(connection, Window(before.since, after.until)).rows.values()
        return sorted(str(row) for of_node in rows for row in of_node)

    with database.connect() as connection:
        with monkeypatch.context() as older:
            older.setattr(store, "MASK_VERSION", MASK_VERSION - 1)
            insert(connection, [*texts[:1], alone])
            rebuild(connection, before)  # one alone does not merge
            insert(connection, [*texts, alone], at=after.since)
            rebuild(connection, after)
            insert(connection, texts, at=before.since + SLOT)  # and now lines of the earlier hour that merge at once
        aliases = 'SELECT id, "aliasOf", "aliasSince" FROM "LogPattern" ORDER BY id'
        counts, rows = resolved(), connection.execute(aliases).fetchall()

        rebuild(connection, before)
        in_between = connection.execute(aliases).fetchall()
        rebuild(connection, after)

        assert {row["aliasSince"] for row in rows if row["aliasOf"]} == {after.since}
        assert in_between == rows
        assert connection.execute(aliases).fetchall() == rows
        assert {row["aliasSince"] for row in rows if not row["aliasOf"]} == {None}
        assert [row for row in resolved() if row in counts] == counts


def test_a_pattern_that_new_masks_merge_later_keeps_the_slot_of_its_merge(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"job {name} has finished its work on the queue" for name in ("mail", "index", "backup")]
    merged_at, alone_at = TEN, TEN + timedelta(hours=1)
    together_at = TEN + timedelta(hours=2)
    with database.connect() as connection:
        insert(connection, texts, at=merged_at)
        insert(connection, texts[:1], at=alone_at)
        insert(connection, texts, at=together_at)
        windows = [Window.hour_of(moment) for moment in (merged_at, alone_at, together_at)]
        with monkeypatch.context() as older:
            older.setattr(store, "MASK_VERSION", MASK_VERSION - 1)
            for window in windows:
                rebuild(connection, window)
        before = read_counts(connection, windows[1]).rows

        for window in windows[1:]:  # the last hours again, and not the one that the merge arose in
            rebuild(connection, window)

        assert read_counts(connection, windows[1]).rows == before
        since = connection.execute('SELECT DISTINCT "aliasSince" FROM "LogPattern" WHERE "aliasOf" IS NOT NULL')
        assert [row["aliasSince"] for row in since] == [merged_at]
