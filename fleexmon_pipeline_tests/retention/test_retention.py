"""Old rows that are no longer needed are deleted; others stay at any age."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.json import Jsonb

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.retention.retention import RetentionAccount, apply_retention
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import at, cover, fire, firing, issues, settle

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def _line(connection: Connection, age: timedelta, *, analyzed: bool | None = True) -> uuid.UUID:
    row = connection.execute(
        'INSERT INTO "LogEntry" (timestamp, level, message, source, hostname, analyzed) '
        "VALUES (%s, 'info', 'm', 'blue', 'b', %s) RETURNING id",
        [NOW - age, analyzed],
    ).fetchone()
    assert row
    found: uuid.UUID = row["id"]
    return found


def _issue(connection: Connection, status: str, affected: list[uuid.UUID], resolved: datetime | None = None) -> None:
    connection.execute(
        'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt", '
        "\"resolvedAt\", \"affectedLogs\") VALUES ('t', 'low', '', '', 'ops', %s, %s, %s, %s, %s)",
        [status, NOW, NOW, resolved, affected],
    )


def _lines(connection: Connection) -> set[uuid.UUID]:
    return {row["id"] for row in connection.execute('SELECT id FROM "LogEntry"')}


def test_lines_go_when_they_are_older_than_the_days(database: Database) -> None:
    with database.connect() as connection:
        kept = {_line(connection, 30 * DAY), _line(connection, timedelta())}
        _line(connection, 30 * DAY + TICK)
        account = apply_retention(connection, now=NOW, days=30)
        assert _lines(connection) == kept
    assert account.sentence() == "deleted 1 of LogEntry"


@pytest.mark.parametrize("batch", [1, 2, 5_000])
def test_unanalyzed_lines_and_open_evidence_stay_whatever_the_batch(database: Database, batch: int) -> None:
    with database.connect() as connection:
        waiting = {_line(connection, 40 * DAY, analyzed=False), _line(connection, 50 * DAY, analyzed=None)}
        evidence = [_line(connection, 45 * DAY), _line(connection, 45 * DAY)]
        _issue(connection, "open", [evidence[0], evidence[1], uuid.uuid4()])
        _issue(connection, "open", [evidence[0]])
        _issue(connection, "resolved", [_line(connection, 45 * DAY)], resolved=NOW)
        for _ in range(5):
            _line(connection, 45 * DAY)
        account = apply_retention(connection, now=NOW, days=30, batch=batch)
        assert _lines(connection) == waiting | set(evidence)
    assert (account.deleted["LogEntry"], account.kept_unanalyzed, account.kept_evidence) == (6, 2, 2)
    assert account.sentence() == (
        "deleted 6 of LogEntry; 2 old lines stay: not analyzed; 2 old lines stay: evidence of an open issue"
    )


def test_stopped_in_the_middle_it_has_kept_its_batches_and_can_go_on(database: Database) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop(account: RetentionAccount) -> None:
        if account.deleted["LogEntry"] >= 4:
            raise Stop

    with database.connect() as connection:
        for _ in range(10):
            _line(connection, 31 * DAY)
        with pytest.raises(Stop):
            apply_retention(connection, now=NOW, days=30, batch=2, progress=stop)
        assert len(_lines(connection)) == 6
        assert apply_retention(connection, now=NOW, days=30, batch=2).deleted["LogEntry"] == 6
        assert apply_retention(connection, now=NOW, days=30).sentence() == "deleted nothing"


def test_a_line_that_another_program_holds_is_left_for_the_next_run(database: Database) -> None:
    with database.connect() as connection, database.connect() as other:
        held = _line(connection, 31 * DAY)
        _line(connection, 31 * DAY)
        with other.transaction():
            other.execute('SELECT id FROM "LogEntry" WHERE id = %s FOR UPDATE', [held])
            assert apply_retention(connection, now=NOW, days=30).deleted["LogEntry"] == 1
        assert apply_retention(connection, now=NOW, days=30).deleted["LogEntry"] == 1


@pytest.mark.parametrize(("days", "batch"), [(0, 1), (-5, 1), (30, 0)])
def test_nonsense_is_refused_before_anything_is_deleted(database: Database, days: int, batch: int) -> None:
    with database.connect() as connection:
        line = _line(connection, 4000 * DAY)
        with pytest.raises(ValueError, match="at least 1"):
            apply_retention(connection, now=NOW, days=days, batch=batch)
        assert _lines(connection) == {line}


def _everything(connection: Connection) -> None:
    """Of each table one row that goes and one that stays, a microsecond apart or for a reason."""
    for age in (timedelta(), TICK):
        _line(connection, 30 * DAY + age)
        _issue(connection, "resolved", [], resolved=NOW - 90 * DAY - age)
        _issue(connection, "open", [])
        connection.execute(
            'INSERT INTO "RejectedLog" (id, source, hostname, payload, reason, slot, "windowStart", "windowEnd")'
            " VALUES (gen_random_uuid(), 'blue', 'b', 'p', 'r', %(at)s, %(at)s, %(at)s)",
            {"at": NOW - 30 * DAY - age},
        )
        old = NOW - 400 * DAY - age
        connection.execute("INSERT INTO \"LogPatternCount\" VALUES (%s, 'blue', 'p', 'info', 1, '{}')", [old])
        connection.execute(
            "INSERT INTO \"LogCoverage\" (node, slot, status, \"updatedAt\") VALUES ('b', %s, 'empty', %s)", [old, old]
        )
        connection.execute(
            'INSERT INTO "GenAICall" (id, at, "windowStart", "windowEnd", "promptVersion", "evidenceHash", "latencyMs",'
            " outcome) VALUES (gen_random_uuid(), %(at)s, %(at)s, %(at)s, '1', 'h', 5, 'ok')",
            {"at": NOW - 90 * DAY - age},
        )
        connection.execute(
            'INSERT INTO "LogForecast" ("madeAt", node, subject, horizon, hour, value, low, high)'
            " VALUES (%(at)s, 'blue', 'lines', 1, %(at)s, 1, 1, 1)",
            {"at": NOW - 90 * DAY - age},
        )
        connection.execute("INSERT INTO \"DetectedHour\" VALUES (%s, 'h')", [old])
        connection.execute("INSERT INTO \"NodeBaseline\" VALUES ('blue', %s, 'h', NULL)", [NOW - 60 * DAY - age])
        connection.execute(
            "INSERT INTO \"ShadowOccurrence\" VALUES ('f', %s, 'r', 'low', 't', '{blue}', 1)", [NOW - 60 * DAY - age]
        )
        connection.execute(
            "INSERT INTO \"Deployment\" (node, version, at, by, source) VALUES ('blue', '1', %s, 'ann', 'person')",
            [old],
        )
        connection.execute(
            'INSERT INTO "DeploymentVerification" (run, at, "resultsHash", failures, issues, "logEntry", "recordedAt")'
            " VALUES (%(at)s::text, %(at)s, '{}', 0, '{}', gen_random_uuid(), %(at)s)",
            {"at": old},
        )
        connection.execute(
            'INSERT INTO "IssueVerdict" (issue, fingerprint, verdict, "by", at)'
            " VALUES (gen_random_uuid(), 'f', 'noise', 'ann', %s)",
            [old],
        )
        connection.execute(
            'INSERT INTO "IssueHandling" (id, issue, action, "by", why, at)'
            " VALUES (gen_random_uuid(), gen_random_uuid(), 'ack', 'ann', '', %s)",
            [NOW - 90 * DAY - age],
        )
        for until, ended in ((NOW - 90 * DAY - age, None), (None, NOW - 90 * DAY - age), (None, None)):
            connection.execute(
                'INSERT INTO "IssueMute" (id, node, "by", why, since, until, "endedAt")'
                " VALUES (gen_random_uuid(), 'blue', 'ann', '', %s, %s, %s)",
                [old, until, ended],
            )
        for key, shown in (("digest", {"a": 1}), ("waiting", None), ("behind", {"a": 2})):
            connection.execute(
                'INSERT INTO "Outbox" (key, desired, shown, "createdAt", "updatedAt") VALUES (%s, %s, %s, %s, %s)',
                [f"{key}:{age}", Jsonb({"a": 1}), Jsonb(shown) if shown else None, NOW, NOW - 90 * DAY - age],
            )
        for key, status in (("digest", "sent"), ("kept", "sent")):
            connection.execute(
                'INSERT INTO "ChannelMessage" (channel, key, "eventId", event, severity, message, status, "createdAt")'
                " VALUES ('ops', %s, 'e', 'opened', 'low', '{}', %s, %s)",
                [f"{key}:{age}", status, NOW - (90 if key == "digest" else 89) * DAY - age],
            )
            connection.execute(
                "INSERT INTO \"ChannelThread\" VALUES ('ops', %s, '{}', %s)",
                [f"{key}:{age}" if key == "kept" else f"old:{age}", NOW - 90 * DAY - age],
            )


def test_a_dry_run_counts_what_is_then_deleted(database: Database) -> None:
    with database.connect() as connection:
        _everything(connection)
        tables = [f'"{name}"' for name in ("LogEntry", "LogIssue", "RejectedLog", "LogPatternCount", "LogCoverage")]
        before = database.fingerprint(*tables)
        dry = apply_retention(connection, now=NOW, days=30, dry_run=True)
        assert database.fingerprint(*tables) == before
        wet = apply_retention(connection, now=NOW, days=30)
        again = apply_retention(connection, now=NOW, days=30)

    gone = {table: count for table, count in wet.deleted.items() if count}
    names = ["LogEntry", "RejectedLog", "LogPatternCount", "LogCoverage", "LogForecast", "GenAICall", "Outbox"]
    names += ["IssueVerdict", "DetectedHour", "NodeBaseline", "ShadowOccurrence", "LogIssue", "ChannelMessage"]
    names += ["ChannelThread", "DeploymentVerification", "IssueHandling"]
    assert gone == {**dict.fromkeys(names, 1), "IssueMute": 2}
    assert {table: count for table, count in dry.deleted.items() if count} == gone
    assert dry.sentence().startswith("would delete 1 of LogEntry, 1 of RejectedLog")
    assert again.sentence() == "deleted nothing"


def test_what_a_node_ran_when_the_kept_past_begins_stays_known(database: Database) -> None:
    with database.connect() as connection:
        for node, days in (("blue", 700), ("blue", 500), ("blue", 450), ("blue", 3), ("green", 900)):
            connection.execute(
                "INSERT INTO \"Deployment\" (node, version, at, by, source) VALUES (%s, %s, %s, 'ann', 'person')",
                [node, f"1.{days}", NOW - days * DAY],
            )
        assert apply_retention(connection, now=NOW, days=30).sentence() == "deleted 2 of Deployment"
        left = connection.execute('SELECT version FROM "Deployment" ORDER BY at').fetchall()
    assert [row["version"] for row in left] == ["1.900", "1.450", "1.3"]


def test_a_verdict_stays_as_long_as_its_issue(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(1))
        fire(connection, firing(0))
        (issue,) = issues(connection)
        connection.execute(
            'INSERT INTO "IssueVerdict" (issue, verdict, "by", at) VALUES (%s, %s, %s, %s)',
            [issue["id"], "real", "a", at(1)],
        )
        late = at(0) + 500 * DAY
        assert "IssueVerdict" not in apply_retention(connection, now=late, days=900).sentence()
        connection.execute('DELETE FROM "LogIssue"')
        assert "1 of IssueVerdict" in apply_retention(connection, now=late, days=30).sentence()


def test_what_lines_need_is_kept_as_long_as_lines(database: Database) -> None:
    with database.connect() as connection:
        _everything(connection)
        apply_retention(connection, now=NOW, days=3650)
        for table in ("LogPatternCount", "LogCoverage", "GenAICall"):
            assert connection.execute(f'SELECT * FROM "{table}"'.encode()).rowcount == 2


def test_an_issue_goes_with_its_episode_and_its_occurrences_and_does_not_come_back(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(340))  # more than a day: within one, the message would return to its issue
        fire(connection, firing(0), firing(2), firing(339), firing(1, rule="genai", root_cause="x"))
        old, young = issues(connection)
        resolved = old["resolvedAt"]
        assert (old["status"], young["status"]) == ("resolved", "open")

        def keep(now: datetime) -> RetentionAccount:
            dry = apply_retention(connection, now=now, days=365, dry_run=True)
            account = apply_retention(connection, now=now, days=365)
            assert dry == RetentionAccount(True, {**dict.fromkeys(dry.deleted, 0), **account.deleted})
            return account

        assert keep(resolved + 90 * DAY).sentence() == "deleted nothing"
        assert keep(resolved + 91 * DAY).sentence() == "deleted 3 of IssueOccurrence, 1 of LogIssue"
        settle(connection, ["pattern:1f2e@blue"])
        assert [issue["id"] for issue in issues(connection)] == [young["id"]]

        # An open issue keeps its occurrences, however old: its first slot is its identity.
        keep(resolved + 500 * DAY)
        assert [issue["id"] for issue in issues(connection)] == [young["id"]]
        assert connection.execute("SELECT * FROM \"IssueOccurrence\" WHERE source = 'detector'").rowcount == 1


def test_what_a_person_resolved_takes_along_what_fired_before(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(10))
        fire(connection, firing(0))
        connection.execute("""UPDATE "LogIssue" SET status = 'resolved', "resolvedAt" = %s""", [at(5)])
        fire(connection, firing(3), firing(8), window=Window(at(1), at(10)))
        resolved, regression = issues(connection)
        apply_retention(connection, now=at(6) + 90 * DAY, days=365)
        settle(connection, ["pattern:1f2e@blue"])
        (left,) = issues(connection)
    assert resolved["status"] == "resolved"
    assert left == regression
    assert left["metadata"]["regressionOf"] == str(resolved["id"])


def test_a_deleted_row_is_remembered_for_as_long_as_it_would_have_stayed(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, range(1))
        fire(connection, firing(0))
        connection.execute('DELETE FROM "LogIssue"')
        for day, rows in ((90, 1), (91, 0)):
            apply_retention(connection, now=at(0) + day * DAY, days=365)
            for table in ("IssueEpisode", "IssueOccurrence"):
                assert connection.execute(f'SELECT * FROM "{table}"'.encode()).rowcount == rows


def test_what_was_told_of_an_open_incident_stays(database: Database) -> None:
    """Without it the incident would be told again."""
    old = NOW - 400 * DAY
    with database.connect() as connection:
        cover(connection, range(1))
        fire(connection, firing(0))
        (issue,) = issues(connection)
        about = {"issues": [str(issue["id"])]}
        connection.execute(
            'INSERT INTO "Outbox" (key, desired, shown, "createdAt", "updatedAt") VALUES (%s, %s, %s, %s, %s)',
            ["incident:x", Jsonb({"about": about}), Jsonb({"about": about}), old, old],
        )
        connection.execute(
            'INSERT INTO "ChannelMessage" (channel, key, "eventId", event, severity, message, status, "createdAt")'
            " VALUES ('ops', 'incident:x', 'e', 'opened', 'high', %s, 'sent', %s)",
            [Jsonb({"data": about}), old],
        )
        assert apply_retention(connection, now=NOW, days=30).sentence() == "deleted nothing"
        connection.execute("""UPDATE "LogIssue" SET status = 'resolved', "resolvedAt" = %s""", [NOW])
        gone = apply_retention(connection, now=NOW, days=30).sentence()

    assert gone == "deleted 1 of Outbox, 1 of ChannelMessage"
