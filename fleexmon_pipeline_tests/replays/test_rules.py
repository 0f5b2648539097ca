"""Past windows replayed with other rules: gained and lost issues, and no change of stored rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import BUILT_IN, all_rules, load_rules
from fleexmon_pipeline.detection.rule_kinds import Backlog
from fleexmon_pipeline.detection.rule_model import Rule
from fleexmon_pipeline.forecasting.predictors import predict
from fleexmon_pipeline.issues.lifecycle import newest_covered, open_subjects, reconcile, write_occurrences
from fleexmon_pipeline.issues.people import resolve_issues
from fleexmon_pipeline.replays import rules as module
from fleexmon_pipeline.replays.rules import Backtest, NothingKnownError, backtest
from fleexmon_pipeline.window import DAY, HOUR, SLOT, Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.detection.test_observe import MIDNIGHT, live, more
from fleexmon_pipeline_tests.stories import TEN

RULES = load_rules().rules
WINDOW = Window(MIDNIGHT - 6 * HOUR, TEN + HOUR)  # two days, and over the turn of the baselines' day
TABLES = ['"NodeBaseline"', '"DetectedHour"', '"ShadowOccurrence"', '"IssueOccurrence"', '"IssueEpisode"', '"LogIssue"',
          '"LogPatternCount"', '"LogPattern"', '"LogCoverage"', '"LogEntry"']  # fmt: skip


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Nine ordinary days, then a storm of errors at half past nine, and one at eight that nobody minds."""
    with database.connect() as opened:
        live(opened, MIDNIGHT - 9 * DAY)
        more(opened, 40, range(-6, -2))
        more(opened, 15, range(-24, -21))
        yield opened


def as_it_ran(connection: Connection, window: Window = WINDOW) -> None:
    for hour in window.hours():
        detect_hour(connection, hour, RULES, now=hour.until, known_until=hour.until)
        foreseen = predict(connection, [r for r in RULES if not isinstance(r, Backlog)], hour, now_end=hour.until)
        subjects = write_occurrences(connection, foreseen, source="predictor", window=hour)
        reconcile(connection, subjects, now=hour.until)
    reconcile(connection, open_subjects(connection), now=newest_covered(connection) or hour.until)


def changed(directory: Path, name: str, old: str, new: str) -> tuple[Rule, ...]:
    text = (BUILT_IN / f"{name}.yaml").read_text()
    assert old in text
    (directory / f"{name}.yaml").write_text(text.replace(old, new))
    loaded = all_rules(directory)
    assert loaded.problems == ()
    return loaded.rules


def told(found: Backtest) -> dict[str, set[str]]:
    return {name: {issue.rule for issue in getattr(found, name)} for name in ("kept", "gained", "lost")}


def test_the_same_rules_give_the_issues_that_there_were(connection: Connection) -> None:
    as_it_ran(connection)
    rows = connection.execute(
        """SELECT metadata ->> 'fingerprint' AS fingerprint, "detectedAt" AS detected, "updatedAt" AS updated,
        severity, title FROM "LogIssue" """
    ).fetchall()
    found = backtest(connection, RULES, RULES, WINDOW)

    assert {"high-error-rate:node:blue", "error-rate-trending-up:node:blue"} <= {row["fingerprint"] for row in rows}
    assert (found.changed, found.gained, found.lost) == ((), (), ())
    assert {(i.fingerprint, i.since, i.until, i.severity, i.title) for i in found.kept} == {
        (r["fingerprint"], r["detected"] - SLOT, r["updated"], r["severity"], r["title"]) for r in rows
    }


def test_a_stricter_rule_loses_issues_and_others_are_kept(connection: Connection, tmp_path: Path) -> None:
    strict = changed(tmp_path, "unusual-error-rate", "5m: 12, 15m: 6, 1h: 8, 3h: 10", "5m: 50")
    seen: list[tuple[int, int]] = []
    found = backtest(connection, RULES, strict, WINDOW, progress=lambda *done: seen.append(done))

    assert found.changed == ("unusual-error-rate",)
    assert (told(found)["gained"], told(found)["lost"]) == (set(), {"unusual-error-rate"})
    assert "repeated-error" in told(found)["kept"]
    lost = sum(count["lost"] for count in found.by_rule()["unusual-error-rate"].values())
    assert lost == len(found.lost) > 0
    assert date(2026, 11, 20) in found.by_rule()["repeated-error"]
    assert (seen[0], seen[-1]) == ((0, 2), (2, 2))

    other_way = backtest(connection, strict, RULES, WINDOW)
    assert (other_way.gained, other_way.lost) == (found.lost, found.gained)


def test_a_rule_that_is_switched_off_loses_all_of_its_issues(connection: Connection, tmp_path: Path) -> None:
    less = changed(tmp_path, "repeated-error", "name:", "enabled: false\nname:")
    found = backtest(connection, RULES, less, WINDOW)
    assert told(found)["lost"] == {"repeated-error"}
    assert set(found.kept) | set(found.lost) == set(found.against)


def test_another_severity_is_said_of_what_is_kept(connection: Connection, tmp_path: Path) -> None:
    other = changed(tmp_path, "repeated-error", "severity: medium", "severity: low")
    found = backtest(connection, RULES, other, WINDOW)
    assert (found.gained, found.lost) == ((), ())
    assert {(old.severity, new.severity) for old, new in found.reweighed} == {("medium", "low")}


def test_nothing_outside_is_touched(connection: Connection, database: Database, tmp_path: Path) -> None:
    as_it_ran(connection, Window(TEN, TEN + HOUR))
    before = database.fingerprint(*TABLES)
    other = changed(tmp_path, "repeated-error", "within: 15m", "within: 1h")
    backtest(connection, RULES, other, WINDOW)
    assert database.fingerprint(*TABLES) == before
    assert len(connection.execute('SELECT FROM "NodeBaseline"').fetchall()) > 0  # the real one is seen again
    connection.execute('DELETE FROM "NodeBaseline"')  # and may be written


def test_a_write_elsewhere_is_refused_by_the_server_and_the_session_recovers(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writes(connection: Connection, *_: object, **__: object) -> None:
        connection.execute("""UPDATE "LogIssue" SET status = 'resolved'""")

    monkeypatch.setattr(module, "evaluate", writes)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        backtest(connection, RULES, RULES, WINDOW)
    connection.execute("""UPDATE "LogIssue" SET status = 'resolved'""")


def test_what_people_called_noise_counts_as_false_alarm(connection: Connection, tmp_path: Path) -> None:
    as_it_ran(connection)
    noise, real = connection.execute(
        """SELECT id FROM "LogIssue" WHERE metadata ->> 'rule' = 'high-error-rate' ORDER BY "detectedAt" LIMIT 2"""
    ).fetchall()
    for row, verdict in ((noise, "noise"), (real, "real")):
        resolve_issues(connection, [str(row["id"])], by="ann", why="", verdict=verdict, now=TEN + 2 * HOUR)  # type: ignore[arg-type]
    less = changed(tmp_path, "high-error-rate", "more_than: 5%", "more_than: 40%")
    found = backtest(connection, RULES, less, WINDOW)

    assert found.false_alarms(found.against) == pytest.approx(DAY / WINDOW.length)
    assert found.false_alarms(found.candidate) == 0
    assert [issue.verdict for issue in found.lost] == ["noise"]
    assert [issue.verdict for issue in found.kept if issue.verdict] == ["real"]

    connection.execute('DELETE FROM "IssueEpisode"')  # by retention: the issue's id still tells when it was
    again = backtest(connection, RULES, less, WINDOW)
    assert [issue.verdict for issue in again.lost] == ["noise"]


def test_rules_of_texts_are_replayed_on_the_lines_and_their_loss_is_said(connection: Connection) -> None:
    found = backtest(connection, RULES, RULES, WINDOW)
    assert any("all lines are deleted" in note and "connection-failure" in note for note in found.notes)
    (left_out,) = (note for note in found.notes if note.startswith("not replayed"))
    assert left_out.endswith(": forecast-high-error-rate, issue-backlog")


def test_where_nothing_is_known_it_says_what_is(connection: Connection) -> None:
    with pytest.raises(NothingKnownError, match="nothing was collected in 2026-10-01 00:00-2026-10-02 00:00 UTC"):
        backtest(connection, RULES, RULES, Window.day_of(TEN.replace(month=10, day=1)))
    connection.execute('DELETE FROM "LogCoverage"')
    with pytest.raises(NothingKnownError, match="no node has responded yet"):
        backtest(connection, RULES, RULES, WINDOW)
