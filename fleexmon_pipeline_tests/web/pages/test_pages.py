"""The pages in a browser: valid, small, harmless, and correct about stored data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from xml.etree import ElementTree

import html5lib
import httpx
import psycopg
import pytest

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues import people
from fleexmon_pipeline.issues.occurrence import Subject
from fleexmon_pipeline.lookup import search
from fleexmon_pipeline.web.pages import issues as issue_pages
from fleexmon_pipeline.web.pages.site import reading
from fleexmon_pipeline.window import SLOT, Window
from fleexmon_pipeline_tests import stories
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import fire, firing
from fleexmon_pipeline_tests.stories import TEN
from fleexmon_pipeline_tests.web.pages.conftest import (
    NOW,
    PATTERN,
    SECRET,
    Site,
    add_line,
    all_pages,
    issue_ids,
    line_ids,
)

MAX_BYTES = 100_000


def elements(document: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Of a strictly parsed document: every tag with its attributes. Raises where it is not valid."""
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(document)
    for element in parsed.iter():
        if isinstance(element.tag, str):
            yield element.tag, dict(element.attrib)


def test_every_page_is_valid_small_and_harmless(story: Site) -> None:
    for path in all_pages(story):
        answer = story.get(f"/fleexmon{path}")

        assert answer.status_code == (404 if path == "/no-such-page" else 200), (path, answer.text)
        assert len(answer.content) <= MAX_BYTES, path
        tags = list(elements(answer.text))
        assert {"script", "style", "img", "iframe", "object", "embed", "base", "meta-refresh"}.isdisjoint(
            tag for tag, _ in tags
        ), path
        for tag, attributes in tags:
            assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in attributes), (path, tag)
            assert attributes.get("href", "/").startswith(("/", "#")), (path, attributes)
        assert SECRET not in answer.text, path
        assert "\x1b" not in answer.text
        assert "\u202e" not in answer.text


def test_every_answer_carries_the_policy(story: Site) -> None:
    for path in [*all_pages(story), "/style.css", "/issues?at=never"]:
        headers = story.get(f"/fleexmon{path}").headers

        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'"
        ), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert path == "/style.css" or headers["cache-control"] == "no-store"


def test_links_of_all_pages_lead_somewhere(story: Site) -> None:
    followed: set[str] = set()  # each page has the links of the head
    for path in all_pages(story):
        for tag, attributes in elements(story.get(f"/fleexmon{path}").text):
            link = attributes.get("href", "")
            if tag in ("a", "link") and link.startswith("/fleexmon"):
                assert link in followed or story.get(link).status_code == 200, (path, link)
                followed.add(link)
            elif tag == "a":
                assert re.match(r"#main$|/runs/|/assets/", link), (path, link)


BAD = {
    "no-such-issue": ("/issues/0123456789ab", 404, "not found"),
    "no-issue-id": ("/issues/xyz", 404, "not an id"),
    "no-such-incident": ("/incidents/0123456789ab", 404, "not found"),
    "no-such-line": ("/logs/00000000-0000-8000-8000-000000000000", 404, "not found"),
    "no-line-id": ("/logs/1", 400, "not an id"),
    "no-such-pattern": ("/patterns/nothing", 404, "not found"),
    "no-such-pattern-of-lines": ("/logs?pattern=nothing", 404, "not found"),
    "no-such-digest": ("/digests/2020-01-01", 404, "no digest"),
    "no-day": ("/digests/yesterday", 400, "not a day"),
    "no-time": ("/logs?at=never", 400, "not a time"),
    "time-out-of-range": ("/logs?at=999999w", 400, "not a time"),
    "month-13": ("/issues?at=2026-13-45", 400, "not a time"),
    "half-a-place": ("/issues?at=2h", 400, "both"),
    "no-state": ("/issues?state=<script>", 400, "none of"),
    "no-level": ("/logs?level=loud", 400, "none of"),
    "no-page-number": ("/patterns?page=-1", 400, "not a number"),
    "huge-page-number": ("/patterns?page=99999999999999999999", 400, "not a number"),
    "long-text": (f"/logs?q={'x' * 1_000}", 400, "too many"),
    "long-query": (f"/logs?q={'x' * 10_000}", 400, "more than 2,000"),
    "nul": ("/logs?q=a%00b", 400, "cannot be printed"),
    "newline": ("/issues?q=a%0Ab", 400, "cannot be printed"),
    "endless-expression": ("/logs?q=(a%2B)%2B%24", 200, "No line matches"),
    "wildcards": ("/logs?q=%25_%25", 200, "No line matches"),
    "parent": ("/issues/..%2F..%2Fetc%2Fpasswd", 404, "no such page"),
    "parent-of-style": ("/..%2F..%2Fpage.py", 404, "no such page"),
    "compare-with-itself": ("/compare?from=1h&candidate=blue&baseline=blue", 400, "with itself"),
    "compare-nobody": ("/compare?from=1h&candidate=red&baseline=blue", 400, "not a node"),
    "compare-too-long": ("/compare?from=2026-01-01&candidate=blue&baseline=green", 400, "more than 7 days"),
    "compare-the-future": ("/compare?from=2027-01-01&candidate=blue&baseline=green", 400, "not after from"),
}


def test_bad_input_gets_a_plain_page_that_says_so(story: Site) -> None:
    for name, (path, status, text) in BAD.items():
        answer = story.get(f"/fleexmon{path}")

        assert (answer.status_code, text in answer.text) == (status, True), (name, answer.text)
        assert list(elements(answer.text)), name
        assert "Traceback" not in answer.text, name


def test_a_path_that_climbs_out_is_no_page(site: Site) -> None:
    raw = httpx.URL(f"{site.url}/fleexmon/issues/../../../etc/passwd")
    assert httpx.get(raw, timeout=30).status_code in (403, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_are_only_read(method: str, site: Site) -> None:
    answer = httpx.request(method, f"{site.url}/fleexmon/issues", json={}, timeout=30)

    assert answer.status_code == 405
    assert "Pages are read-only" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example.com"}, {"Origin": "https://evil.example.com"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["host", "origin", "cross-site"],
)
def test_pages_are_behind_the_door(headers: dict[str, str], story: Site) -> None:
    answer = story.get("/fleexmon", **headers)

    assert answer.status_code == 403
    assert "order" not in answer.text


def test_the_session_cannot_write(database: Database) -> None:
    pages = reading(lambda: database.url)
    with pages.pool().connection() as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute('DELETE FROM "LogIssue"')
        row = connection.execute("SHOW statement_timeout").fetchone()
    pages.close()

    assert row == {"statement_timeout": "5s"}


def test_without_a_database_the_page_says_so(site: Site) -> None:
    with connect(site.database.url.replace(site.database.url.split("/")[3].split("?")[0], "postgres")) as connection:
        name = site.database.url.split("/")[3].split("?")[0]
        connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_gone".encode())
        answer = site.get("/fleexmon")
        connection.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '%%_gone'")
        connection.execute(f"ALTER DATABASE {name}_gone RENAME TO {name}".encode())

    assert answer.status_code == 503
    assert "does not respond" in answer.text


# -- issues -----------------------------------------------------------------------------------------------------------


def test_issues_are_filtered_and_paged_newest_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issue_pages, "PAGE_LENGTH", 4)
    with site.database.connect() as connection:
        stories.cover(connection, Window(TEN, TEN + 3 * SLOT))
        named = [(n, Subject("blue", f"{n:04}"), f"issue {n:02} of the list") for n in range(11)]
        fire(connection, *(firing(n % 3, subject=subject, title=title) for n, subject, title in named))
    seen: list[str] = []
    path = "/fleexmon/issues?state=all&q=of+the+LIST"
    while path:
        document = site.get(path).text
        seen += re.findall(r"issue (\d\d) of the list", document)
        older = re.search(r'href="([^"]+)">Older', document)
        path = unescape(older[1]) if older else ""

    assert len(seen) == 11
    assert sorted(seen) == [f"{n:02}" for n in range(11)]
    assert "No open issue matches" in site.get("/fleexmon/issues?rule=silent-node").text
    assert "No resolved issue matches" in site.get("/fleexmon/issues?state=resolved").text


def test_an_issue_shows_all_that_the_command_shows(story: Site) -> None:
    with story.database.connect() as connection:
        (scope,) = people.scopes_of(connection, [issue_ids(story)[0]])
        people.mute(connection, scope, by="ann", why="known since May", now=NOW, until=None)

    document = story.get(f"/fleexmon/issues/{issue_ids(story)[0]}").text
    text = unescape(document)

    for part in (
        "known since May", "repeated-error", "version 1", PATTERN, "2026-11-20-11:00", "Repeated error",
        "1.4.2", "in 4 slots", 'fleexmon issues mute', "--as noise", "lines around it on",
    ):  # fmt: skip
        assert part in text, part
    assert f'href="/fleexmon/patterns/{PATTERN}"' in document
    assert 'href="/runs/00000000-0000-0000-0000-000000000007"' in document
    assert 'href="/assets/detected_issues?view=partitions&amp;partition=2026-11-20-11%3A00"' in document
    assert 'class="mark"' in document
    assert f'href="/fleexmon/logs/{line_ids(story)[0]}"' in document


def test_a_restart_is_marked_on_the_chart_of_an_issue_once(story: Site) -> None:
    issue = issue_ids(story)[0]
    with connect(story.database.url) as connection:
        for pattern, template in (("stop", "shutting down"), ("up", "Listening on <ip>")):
            connection.execute(
                """INSERT INTO "LogPattern" (id, template, level, "firstSeen", "lastSeen", "maskVersion")
                   VALUES (%(id)s, %(template)s, 'info', %(at)s, %(at)s, 1)""",
                {"id": pattern, "template": template, "at": TEN},
            )
            for node in ("blue", "green"):
                connection.execute(
                    'INSERT INTO "LogPatternCount" VALUES (%s, %s, %s, %s, %s, %s)', [TEN, node, pattern, "info", 1, []]
                )
        nodes = connection.execute('SELECT metadata -> %s AS n FROM "LogIssue" WHERE id = %s', ["nodes", issue])
        (node, *_) = (nodes.fetchone() or {})["n"]

    page = story.get(f"/fleexmon/issues/{issue}").text

    assert page.count(f"<title>10:00 {node} restarted</title>") == 1
    assert "a restart" in page


def test_a_prefix_is_enough(story: Site) -> None:
    key = issue_ids(story)[0]

    assert story.get(f"/fleexmon/issues/{key[:18]}").status_code == 200


def test_what_genai_thinks_of_an_incident_is_marked_as_such_and_harmless(story: Site) -> None:
    key = issue_ids(story)[0]
    with story.database.connect() as connection:
        text = "Hypotheses:\n- <script>alert(1)</script> The database is down. (the incident)"
        connection.execute('UPDATE "LogIssue" SET "rootCause" = %s', [text])

    document = story.get(f"/fleexmon/incidents/{key}").text

    assert "GenAI hypothesis (unverified)" in document
    assert "The database is down. (the incident)" in document
    assert "<script>alert" not in document
    assert "GenAI hypothesis (unverified)" in story.get(f"/fleexmon/issues/{key}").text


def test_an_incident_has_its_issues_and_what_people_did(story: Site) -> None:
    key = issue_ids(story)[0]
    document = story.get(f"/fleexmon/incidents/{key}").text

    assert f'href="/fleexmon/issues/{key}"' in document
    assert "ann: ack" in document
    assert ">ack</span>" in document
    assert f"fleexmon incidents resolve {key[:18]}" in document
    assert ">start<" in document
    listed = story.get("/fleexmon/incidents").text
    assert listed.count('<a href="/fleexmon/incidents/') == 1
    assert "by ann" in listed
    assert f'href="/fleexmon/incidents/{key}"' in story.get(f"/fleexmon/issues/{key}").text
    assert f'href="/fleexmon/incidents/{key}"' in story.get("/fleexmon").text


# -- logs -------------------------------------------------------------------------------------------------------------


def messages(document: str) -> list[str]:
    found = re.findall(r'<span class="message">(.*?)</span>', document)
    return [unescape(re.sub("</?mark>", "", text)) for text in found]


def test_lines_are_paged_without_a_gap(site: Site) -> None:
    """Many of them of one microsecond."""
    with site.database.connect() as connection:
        for n in range(230):
            add_line(connection, TEN + timedelta(microseconds=n // 90), "blue", "info", f"line {n:03}")
    seen: list[str] = []
    path = "/fleexmon/logs?node=blue"
    while path:
        document = site.get(path).text
        seen += messages(document)
        older = re.search(r'href="([^"]+)">Older', document)
        path = unescape(older[1]) if older else ""

    assert sorted(seen) == [f"line {n:03}" for n in range(230)]


def test_a_search_says_how_far_it_went_and_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_SCANNED", 20)
    with site.database.connect() as connection:
        add_line(connection, TEN - timedelta(hours=1), "blue", "info", "the needle")
        for n in range(50):
            add_line(connection, TEN + timedelta(seconds=n), "blue", "info", f"hay {n}")

    document, steps = site.get("/fleexmon/logs?q=NEEDLE").text, 1
    while not messages(document):
        assert "were searched" in document
        link = re.search(r'href="([^"]+)">Search earlier', document)
        assert link
        assert steps < 10
        document, steps = site.get(unescape(link[1])).text, steps + 1

    assert messages(document) == ["the needle"]
    assert 2 <= steps <= 4


def test_a_secret_cannot_be_searched_for(story: Site) -> None:
    assert messages(story.get("/fleexmon/logs?q=onerror").text)
    found = story.get(f"/fleexmon/logs?q={SECRET[:9]}").text

    assert messages(found) == []
    assert "No line matches" in found


def test_what_was_searched_for_is_marked_and_stays_text(site: Site) -> None:
    with site.database.connect() as connection:
        add_line(connection, TEN, "blue", "info", "<b>Needle</b> & needle, needle, needle &amp;")

    page = site.get("/fleexmon/logs?q=needle").text
    marked = "&lt;b&gt;<mark>Needle</mark>&lt;/b&gt; &amp; <mark>needle</mark>, <mark>needle</mark>, needle &amp;amp;"
    assert f'<span class="message">{marked}</span>' in page
    assert "<mark>&lt;b&gt;</mark>Needle" in site.get("/fleexmon/logs?q=%3Cb%3E").text
    assert "<mark>" not in site.get("/fleexmon/logs").text


def test_a_trace_has_its_lines(story: Site) -> None:
    shown = messages(story.get("/fleexmon/logs?trace=trace-1").text)

    assert shown == [f"order {n} shipped" for n in range(97, 0, -4)]
    assert messages(story.get("/fleexmon/logs?trace=trace-1&node=green").text) == []


def test_a_line_has_its_record_and_its_neighbours(story: Site) -> None:
    document = story.get(f"/fleexmon/logs/{line_ids(story)[51]}").text

    assert '"trace_id": "trace-3"' in unescape(document)
    assert 'href="/fleexmon/logs?trace=trace-3"' in document
    around = messages(document)
    assert "order 51 shipped" in around
    assert [text for text in around if text.startswith("order")][:2] == ["order 27 shipped", "order 29 shipped"]
    assert document.count(" here") == 1


def test_a_long_message_is_cut_and_says_so(site: Site) -> None:
    with site.database.connect() as connection:
        line = add_line(connection, TEN, "blue", "info", "x" * 900_000)

    for path in (f"/fleexmon/logs/{line}", "/fleexmon/logs"):
        answer = site.get(path)
        assert answer.status_code == 200
        assert len(answer.content) <= MAX_BYTES
    assert "Cut: the message has 900,000 characters" in site.get(f"/fleexmon/logs/{line}").text


def test_pages_stay_small_whatever_is_stored(site: Site) -> None:
    """Lines of markup and of other scripts, an issue that fires all day with long texts, sixty nodes, many rules."""
    worst = "<&\"'>日本語" * 1_000
    with site.database.connect() as connection:
        lines = [add_line(connection, TEN + timedelta(seconds=n), "blue", "error", worst, a=worst) for n in range(120)]
        for node in ["blue", *(f"node-with-a-long-name-{n:02}" for n in range(60))]:
            stories.cover(connection, Window(NOW - 2 * SLOT, NOW), node)
        texts = {"title": worst[:200], "description": worst, "root_cause": worst, "recommendation": worst}
        firings = [
            firing(slot, subject=Subject("blue", f"{n:04}"), evidence=lines[:50], affected=9_999_999, **texts)
            for n in range(45)
            for slot in range(0, 288, 5)
        ]
        stories.cover(connection, Window(TEN, TEN + timedelta(days=1)))
        fire(connection, *firings)
        refresh_incidents(connection)
        connection.cursor().executemany(
            'INSERT INTO "ShadowOccurrence" (fingerprint, slot, rule, severity, title, nodes, affected) '
            "VALUES (%s, %s, %s, 'high', %s, '{blue}', 3)",
            [[f"r{n % 15}:node:{n}", TEN - timedelta(days=1), f"r{n % 15}", worst[:200]] for n in range(300)],
        )
    key = issue_ids(site)[0]

    sizes = {
        path: len(site.get(f"/fleexmon{path}").raise_for_status().content)
        for path in ("", "/issues", f"/issues/{key}", "/incidents", f"/incidents/{key}", "/logs", f"/logs/{lines[0]}",
                     "/patterns", "/shadow")
    }  # fmt: skip
    assert {path: size for path, size in sizes.items() if size > MAX_BYTES} == {}


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_the_first_page_tells_what_is_wrong(story: Site) -> None:
    text = unescape(story.get("/fleexmon").text)

    assert "1 open high or critical issue" in text
    assert "Coverage of blue by half hour" in text
    assert "raw_logs" in text
    assert "not fully processed; 0 messages to deliver" in text


def test_an_empty_database_has_pages_too(site: Site) -> None:
    for path in ("", "/issues", "/logs", "/patterns", "/compare", "/digests", "/shadow"):
        answer = site.get(f"/fleexmon{path}")
        assert answer.status_code == 200, path
        assert list(elements(answer.text))
    assert "No node has been polled yet" in site.get("/fleexmon").text


def test_a_pattern_has_its_count_days_samples_and_issues(story: Site) -> None:
    document = story.get(f"/fleexmon/patterns/{PATTERN}").text

    assert "blue: 60 lines" in document
    assert f"/fleexmon/issues/{issue_ids(story)[0]}" in document
    assert len(messages(document)) == 3


def test_a_digest_is_shown_in_the_frame_of_the_pages(story: Site) -> None:
    document = story.get("/fleexmon/digests/2026-11-19").text

    assert "All is well." in document
    assert 'aria-current="page"' in document


@pytest.mark.parametrize("query", ["", "?until=2026-11-20T12:00&hours=2", "?until=2020-01-01"])
def test_the_chart_is_a_picture_that_says_what_it_shows(story: Site, query: str) -> None:
    answer = story.get(f"/fleexmon/chart.svg{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    picture = ElementTree.fromstring(answer.text)  # noqa: S314  our own
    title = picture.findtext("{http://www.w3.org/2000/svg}title") or ""
    assert re.search(r"UTC: [\d,]+ errors, [\d,]+ warnings, [\d,]+ other lines$", title)
    assert ("0 errors, 0 warnings, 0 other" in title) is ("2020" in query)
    assert {element.tag.partition("}")[2] for element in picture.iter()} <= {"svg", "title", "text", "line", "rect"}


@pytest.mark.parametrize("query", ["hours=0", "hours=49", "hours=x", "until=never", "until=0001-01-01", "hours=%C2%B2"])
def test_a_chart_of_nothing_says_so_as_a_picture(story: Site, query: str) -> None:
    answer = story.get(f"/fleexmon/chart.svg?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (400, "image/svg+xml")
    assert "This cannot be shown" in "".join(ElementTree.fromstring(answer.text).itertext())  # noqa: S314


def test_shadow_rules_are_listed_rule_by_rule(story: Site) -> None:
    document = story.get("/fleexmon/shadow").text

    assert "1 subject, 1 slot on 1 day" in document


def test_pages_read_from_the_standby_where_there_is_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_READONLY", f"{site.database.url}&application_name=standby")

    assert site.get("/fleexmon").status_code == 200
    names = site.database.rows(
        "SELECT application_name AS name FROM pg_stat_activity WHERE application_name = 'standby'"
    )
    assert names
