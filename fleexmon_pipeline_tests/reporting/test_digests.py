"""A digest's three formats, and when it is reported."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.people import Scope, mute, unmute
from fleexmon_pipeline.reporting import html, markdown
from fleexmon_pipeline.reporting.charts import ceiling
from fleexmon_pipeline.reporting.day import figures
from fleexmon_pipeline.reporting.digests import write_digest
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.reporting.rows import NEXT_MORNING, THE_DAY, at, count, issue, pattern
from fleexmon_pipeline_tests.reporting.test_escape import rendered
from fleexmon_pipeline_tests.reporting.test_figures import a_small_day
from fleexmon_pipeline_tests.stories import cover

VOID = {"meta", "br", "img", "link", "input"}
ATTACK = "@everyone <script>alert(1)</script> [x](https://evil.example) | `tick` \\"


class WellFormed(HTMLParser):
    """Fails on an element that is closed in the wrong place or never."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_same_rows_give_the_same_bytes_and_leave_the_row_alone(database: Database) -> None:
    with database.connect() as connection:
        a_small_day(connection)
        first = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=True)
        before = database.fingerprint('"LogDigest"', '"Outbox"')
        second = write_digest(connection, THE_DAY, now=NEXT_MORNING + timedelta(hours=3), github=True)

    assert (first.markdown, first.html, first.json()) == (second.markdown, second.html, second.json())
    assert (first.queued, second.queued) == (True, False)
    assert database.fingerprint('"LogDigest"', '"Outbox"') == before


def test_all_three_forms_say_the_same(database: Database) -> None:
    with database.connect() as connection:
        a_small_day(connection)
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)
    page, body = WellFormed(digest.html), rendered(digest.markdown)

    assert digest.title == "[Monitoring Digest] 2026-11-20"
    assert json.loads(digest.json())["total"] == {"lines": 150, "errors": 10, "warnings": 5, "error_rate": 10 / 150}
    for text in ("6.7%", "+200%", "no comparison",
                 "connect ECONNREFUSED <ip>", "critical and open", "resolved today", "900 tokens in",
                 digest.figures.verdict.sentence):  # fmt: skip
        assert text in page.text, text
        assert text in body.outside + "".join(body.inside), text
    assert page.seen.count("svg") >= 4
    assert body.tags.count("table") == 4
    assert "script" not in page.seen
    assert not re.search(r"""(src|href)=|@import|url\((?!#)""", digest.html)  # needs nothing beside it


def test_a_day_before_that_is_known_in_part_is_said_to_be(database: Database) -> None:
    """A node that was down half of yesterday has fewer lines for that: "+100%" beside it means nothing."""
    with database.connect() as connection:
        issue(connection, "A day with something to tell", at(9), severity="medium")
        for day in (-1, 0):
            count(connection, at(9, day=day), "blue", "p", "info", 100 * (day + 2))
        cover(connection, Window(at(0, day=-1), at(12, day=-1)), "blue")
        cover(connection, Window(at(12, day=-1), at(0)), "blue", status="missing")
        cover(connection, THE_DAY, "blue", stored=200)
        half = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)
        known = """UPDATE "LogCoverage" SET status = 'empty' WHERE slot >= %s AND slot < %s"""
        connection.execute(known, [at(12, day=-1), at(21, 36, day=-1)])
        most = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)
        connection.execute(known, [at(12, 5, day=-1), at(0)])
        whole = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)

    assert "| Day before (50% covered: no comparison) |" in half.markdown
    assert "+100%" not in half.markdown + half.html
    assert "– (50% covered: no comparison)" in half.markdown
    assert "– (50% covered: no comparison)" in WellFormed(half.html).text
    assert "| Day before (90% covered) |" in most.markdown
    assert "+100% (90% covered)" in most.markdown
    assert "100 day before (90% covered), +100%" in WellFormed(most.html).text
    assert "% covered" not in whole.markdown + whole.html  # but for one slot, which changes no figure


def test_tables_have_as_many_cells_in_every_row(database: Database) -> None:
    with database.connect() as connection:
        a_small_day(connection)
        text = markdown.render(figures(connection, THE_DAY, now=NEXT_MORNING))

    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_the_mermaid_charts_hold_one_figure_an_hour(database: Database) -> None:
    with database.connect() as connection:
        a_small_day(connection)
        text = markdown.render(figures(connection, THE_DAY, now=NEXT_MORNING))

    errors, lines = (
        [int(bar) for bar in bars.split(", ")]
        for bars in re.findall(r"```mermaid\nxychart-beta\n.*?bar \[([\d, ]+)\]\n```", text, re.DOTALL)
    )
    assert errors == [0] * 9 + [2, 8] + [0] * 13
    assert (len(lines), sum(lines)) == (24, 150)


def test_what_a_log_line_says_stays_text(database: Database) -> None:
    with database.connect() as connection:
        pattern(connection, "evil", ATTACK, at(1))
        count(connection, at(9), ATTACK, "evil", "error", 5)
        issue(connection, ATTACK, at(9), nodes=[ATTACK])
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=True)

    page, body = WellFormed(digest.html), rendered(digest.markdown)
    assert "script" not in page.seen
    assert "a" not in page.seen
    assert not {"a", "script"} & set(body.tags)
    assert "@everyone" not in body.outside
    assert "@everyone <script>" in "".join(body.inside)


def test_a_secret_in_a_title_is_not_told(database: Database) -> None:
    with database.connect() as connection:
        issue(connection, "login failed password=hunter2hunter2", at(9))
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=True)

    assert "hunter2" not in digest.markdown + digest.html + digest.json().decode()


def test_the_worst_day_still_fits_an_issue(database: Database) -> None:
    worst = "`|" * 5_000
    with database.connect() as connection:
        for number in range(60):
            node = f"{worst[:900]}{number}"
            pattern(connection, f"p{number}", worst, at(1))
            count(connection, at(9), node, f"p{number}", "error", 10**12)
            cover(connection, THE_DAY.overlap(THE_DAY).ended(at(1)), node, status="missing")
            issue(connection, worst, at(9), nodes=[worst] * 9, fingerprint=str(number), severity="critical")
            issue(connection, worst, at(9), nodes=[worst] * 9, resolved=at(10), fingerprint=str(number))
        found = figures(connection, THE_DAY, now=NEXT_MORNING)

    assert len(markdown.render(found)) < 60_000
    WellFormed(html.render(found))


@pytest.mark.parametrize(("age", "told"), [(1, True), (6, True), (9, False)])
def test_only_recent_days_are_told(database: Database, age: int, told: bool) -> None:
    with database.connect() as connection:
        digest = write_digest(connection, THE_DAY, now=at(8, day=age), github=True)
        rows = connection.execute("""SELECT key FROM "Outbox" """).fetchall()

    assert digest.queued == told
    assert rows == ([{"key": "digest:2026-11-20"}] if told else [])


def test_without_github_nothing_is_wished_for(database: Database) -> None:
    with database.connect() as connection:
        write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)
        assert connection.execute("""SELECT count(*) AS n FROM "Outbox" """).fetchone() == {"n": 0}
        assert connection.execute("""SELECT day::text FROM "LogDigest" """).fetchall() == [{"day": "2026-11-20"}]


@given(st.floats(min_value=0, max_value=1e12))
def test_charts_are_filled_and_their_gridlines_whole(value: float) -> None:
    top = ceiling(value)

    assert top >= value
    assert top % 4 == 0
    assert top <= max(8, 1.67 * value)


def test_forecasts_and_how_they_did(database: Database) -> None:
    with database.connect() as connection:
        a_small_day(connection)
        before = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)
        for hour, subject, horizon, value, low, high, actual, hit in (
            (3, "lines", 1, 100, 80, 120, 110, True),
            (4, "lines", 1, 100, 80, 120, 150, False),
            (5, "lines", 1, 100, 80, 120, None, None),
            (9, "crossing:high-error-rate", 4, 3, 2, 4, 3, True),
            (10, "crossing:high-error-rate", 4, 2, 1, 4, None, None),  # the same again
        ):
            connection.execute(
                'INSERT INTO "LogForecast" ("madeAt", node, subject, horizon, hour, value, low, high, actual, hit,'
                ' "lastHour", "dayBefore", figures) VALUES'
                " (%(at)s, 'blue', %(subject)s, %(horizon)s, %(at)s, %(value)s, %(low)s, %(high)s, %(actual)s, %(hit)s,"
                " 80, 80, CASE WHEN %(horizon)s = 4 THEN '{}'::jsonb END)",
                {
                    "at": at(hour), "subject": subject, "horizon": horizon, "value": value, "low": low, "high": high,
                    "actual": actual, "hit": hit,
                },
            )  # fmt: skip
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)

    assert "Forecasts" not in before.markdown + before.html
    page = WellFormed(digest.html).text
    for text in (digest.markdown.replace("\u200b", ""), page):  # a colon after digits is taken apart
        assert "Within the 80 % interval: lines 50% of 2 (0.60 of the naive error)." in text
        assert "high-error-rate in about 3 h (2-4 h), forecast at 2026-11-20 09:00: happened after 3 h" in text
        assert text.count("forecast at") == 1


def test_what_was_muted_at_the_days_end_is_said_and_not_urgent(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, THE_DAY, "blue", stored=0)
        issue(connection, "High error rate", at(9), severity="critical")
        issue(connection, "Another", at(10), fingerprint="other:node:blue")
        told = {"by": "ann", "why": "known"}
        mute(connection, Scope(fingerprint="rule:node:blue"), **told, now=at(12), until=at(0, day=9))
        mute(connection, Scope(fingerprint="other:node:blue"), **told, now=at(12), until=at(20))  # over by then
        mute(connection, Scope(node="blue"), **told, now=at(1, day=1), until=None)  # the day after
        refresh_incidents(connection)
        found = figures(connection, THE_DAY, now=NEXT_MORNING)
        unmute(connection, Scope(fingerprint="rule:node:blue"), by="ann", now=at(2, day=1))
        assert figures(connection, THE_DAY, now=NEXT_MORNING) == found
        unmute(connection, Scope(node="blue"), by="ann", now=at(3, day=1))

    assert (found.issues.open, found.issues.muted, found.issues.urgent) == (2, 1, 1)
    assert [row.title for row in found.issues.urgent_listed] == ["Another"]
    text, page = markdown.render(found), html.render(found)
    assert (found.incidents.open, found.incidents.urgent) == (2, 1)
    assert [incident.muted for incident in found.incidents.listed] == [False, True]
    assert "2 open at the end of the day, 2 new, 0 ended." in text
    assert "- critical: `High error rate (muted)`" in text
    assert "2 open issues, 1 of them muted" in WellFormed(page).text
    assert "High error rate (muted)" in page


def test_a_quiet_day_is_three_lines(database: Database) -> None:
    with database.connect() as connection:
        count(connection, at(9), "blue", "p", "info", 100)
        cover(connection, THE_DAY, "blue", stored=100)
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False, ui_url="https://watch.example.com")

    assert len(digest.markdown.split("\n\n")) == 3
    assert "https://watch.example.com/fleexmon/digests/2026-11-20" in digest.markdown
    assert "100 lines, 0 errors; lines by node: `blue` 100." in digest.markdown


def test_the_digest_leads_with_incidents_and_lists_each_issue_once_under_its_own(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, THE_DAY, "blue", stored=0)
        pattern(connection, "aaaa", "connect ETIMEDOUT <ip>", at(9))
        first = issue(
            connection, "New error", at(9, 5), fingerprint="new-error:pattern:aaaa@blue", what="New error",
            which="connect ETIMEDOUT <ip>", resolved=at(11),
        )  # fmt: skip
        issue(
            connection, "High error rate on blue", at(9, 15), fingerprint="high-error-rate:node:blue", resolved=at(12)
        )
        other = issue(connection, "Silence on green", at(9, 10), fingerprint="silent-node:node:green", nodes=["green"],
                      severity="critical", what="Silence", affectedCount=0)  # fmt: skip
        connection.execute("INSERT INTO \"Deployment\" VALUES ('blue', '1.4.2', %s, 'ann', 'person')", (at(8, 50),))
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False, ui_url="https://watch.example.com")
    text, page = digest.markdown, WellFormed(digest.html).text

    incidents = digest.figures.incidents
    assert (incidents.open, incidents.new, incidents.ended) == (1, 2, 1)
    assert [incident.id for incident in incidents.listed] == [other, first]
    assert text.index("## Incidents") < text.index("| Day before")
    assert text.count("High error rate on blue") == text.count("- high: `New error`") == 1
    assert "### high: `New error on blue: connect ETIMEDOUT <ip> (3 h)`" in text
    for part in ("Began with: ", "connect ETIMEDOUT <ip>", "deployment 1.4.2 on blue at 08:50", ", ended",
                 "still open at the end of the day"):  # fmt: skip
        assert part in text, part
        assert part in page, part
    assert f"https://watch.example.com/fleexmon/incidents/{first}" in text
    assert f'href="https://watch.example.com/fleexmon/incidents/{first}"' in digest.html


def test_issues_of_one_kind_are_one_line(database: Database) -> None:
    with database.connect() as connection:
        cover(connection, THE_DAY, "blue", stored=0)
        for hour in (9, 10, 11):
            title = f"High error rate on blue: no space left (9.{hour}%)"
            issue(connection, title, at(hour), fingerprint=f"{hour}:node:blue", updated=at(hour + 1))
        digest = write_digest(connection, THE_DAY, now=NEXT_MORNING, github=False)

    assert "- high: `3 issues, the latest: High error rate on blue: no space left (9.11%)`" in digest.markdown
    assert "3 issues, the latest: High error rate on blue: no space left (9.11%)" in WellFormed(digest.html).text
