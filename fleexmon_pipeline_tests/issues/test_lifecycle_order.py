"""Issues are the same for any order of windows, repeats, and two runs at once; see also
`detection/test_any_order.py`."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.database.connection import Connection
from fleexmon_pipeline.issues.occurrence import Subject
from fleexmon_pipeline.issues.people import Scope, mute, resolve_issues
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import BUSY, Database
from fleexmon_pipeline_tests.issues.story import at, cover, fire, firing, issues
from fleexmon_pipeline_tests.stories import TEN

TABLES = '"LogIssue"', '"IssueEpisode"', '"IssueOccurrence"'

SLOTS_A_WINDOW = 6
GRACE = timedelta(minutes=20)
Hour = tuple[list[bool], list[bool], list[str]]  # of a window's slots: the rule fired, GenAI found, coverage

WINDOW = st.tuples(
    st.lists(st.sampled_from([False, False, True]), min_size=SLOTS_A_WINDOW, max_size=SLOTS_A_WINDOW),
    st.lists(st.sampled_from([False] * 5 + [True]), min_size=SLOTS_A_WINDOW, max_size=SLOTS_A_WINDOW),
    st.lists(st.sampled_from(["complete", "complete", "empty", "missing"]), min_size=SLOTS_A_WINDOW,
             max_size=SLOTS_A_WINDOW),
)  # fmt: skip


def _run(connection: Connection, hours: list[Hour], index: int) -> None:
    rule, genai, coverage = hours[index]
    begin = index * SLOTS_A_WINDOW
    for status in set(coverage):
        cover(connection, [slot for slot, its in enumerate(coverage, begin) if its == status], status=status)
    window = Window(at(begin), at(begin + SLOTS_A_WINDOW))
    said = [firing(slot, grace=GRACE) for slot, fired in enumerate(rule, begin) if fired]
    found = [
        firing(slot, rule="genai", grace=2 * GRACE, root_cause=f"cause {slot}")
        for slot, fired in enumerate(genai, begin)
        if fired
    ]
    fire(connection, *said, *found, window=window)


def _clean(connection: Connection) -> None:
    connection.execute(
        'TRUNCATE "LogIssue", "IssueEpisode", "IssueOccurrence", "LogCoverage", "IssueMute", "IssueVerdict"'
    )


def _people(connection: Connection, rnd: random.Random) -> None:
    """Somebody mutes an issue, and calls one noise that is over: neither is a matter of the issue's row."""
    found = issues(connection)
    if not found:
        return
    now = TEN + timedelta(minutes=rnd.randrange(9_999))
    mute(
        connection,
        Scope(fingerprint=rnd.choice(found)["metadata"]["fingerprint"]),
        by="ann",
        why="",
        now=now,
        until=None,
    )
    if over := [str(row["id"]) for row in found if row["status"] == "resolved"]:
        resolve_issues(connection, [rnd.choice(over)], by="ann", why="", verdict="noise", now=now)


@given(hours=st.lists(WINDOW, min_size=3, max_size=5), seed=st.integers(0, 1 << 30))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, BUSY])
def test_any_order_with_repeats_gives_the_same_issues(database: Database, hours: list[Hour], seed: int) -> None:
    with database.connect() as connection:
        _clean(connection)
        cover(connection, [-1])
        for index in range(len(hours)):
            _run(connection, hours, index)
        once_in_order = issues(connection)

        _clean(connection)
        cover(connection, [-1])
        order = [*range(len(hours)), *random.Random(seed).choices(range(len(hours)), k=2)]
        random.Random(seed).shuffle(order)
        for index in order:
            _run(connection, hours, index)
            _people(connection, random.Random(seed + index))

        assert issues(connection) == once_in_order
        open_now = [issue["metadata"]["fingerprint"] for issue in once_in_order if issue["status"] == "open"]
        assert len(open_now) == len(set(open_now))
        before = database.fingerprint(*TABLES)
        _run(connection, hours, order[0])
        assert database.fingerprint(*TABLES) == before


def test_two_runs_at_once_agree(database: Database) -> None:
    subjects = [Subject("blue", f"{number:04x}") for number in range(8)]
    said = [firing(slot, subject=subject) for subject in subjects for slot in range(number_of(subject), 60, 14)]
    failures: list[BaseException] = []

    def work(numbers: list[int]) -> None:
        try:
            with database.connect() as connection:
                for number in numbers:
                    window = Window(at(number * 12), at(number * 12 + 12))
                    fire(connection, *[one for one in said if one.slot in window], window=window)
        except BaseException as failure:  # noqa: BLE001  told to the test's thread
            failures.append(failure)

    with database.connect() as connection:
        cover(connection, range(60))
        work([0, 1, 2, 3, 4])
        expected = issues(connection)
        for _ in range(3):
            connection.execute('TRUNCATE "LogIssue", "IssueEpisode", "IssueOccurrence"')
            threads = [threading.Thread(target=work, args=(order,)) for order in ([4, 2, 0, 1, 3], [3, 1, 0, 2, 4])]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failures == []
            assert issues(connection) == expected


def number_of(subject: Subject) -> int:
    return int(subject.pattern or "0", 16)
