"""The page of a comparison that takes long, that fails, or that many request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from fleexmon_pipeline.comparison.read import compare_nodes
from fleexmon_pipeline.web.pages import comparing
from fleexmon_pipeline_tests.web.pages.conftest import Site

ASKED = "/fleexmon/compare?from=90m&candidate=blue&baseline=green"
WAITS = "This page reloads automatically"


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """No comparison ends inside; which were begun."""
    go, begun = threading.Event(), list[object]()

    def slow(*arguments: Any) -> Any:
        begun.append(arguments[1:])
        go.wait(60)
        return compare_nodes(*arguments)

    monkeypatch.setattr(comparing, "compare_nodes", slow)
    try:
        yield begun
    finally:
        go.set()


def until_done(site: Site, path: str) -> httpx.Response:
    """As a browser does that loads again when it is told to."""
    deadline = time.monotonic() + 60
    while "refresh" in (answer := site.get(path)).headers and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def test_a_long_comparison_does_not_hold_its_page_and_is_made_once(
    story: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(monkeypatch) as begun:
        first, again = story.get(ASKED), story.get(ASKED)
        assert first.status_code == again.status_code == 200
        assert first.headers["refresh"] == "1"
        assert WAITS in first.text
        assert WAITS in again.text
        assert story.get("/fleexmon/issues").status_code == 200

    done = until_done(story, ASKED)
    assert WAITS not in done.text
    assert "blue compared with green" in done.text
    assert len(begun) == 1


def test_a_comparison_that_fails_is_tried_again_when_it_is_asked_for_again(
    story: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise TimeoutError("the disk does not respond")

    monkeypatch.setattr(comparing, "compare_nodes", broken)
    assert until_done(story, ASKED).status_code == 500
    monkeypatch.setattr(comparing, "compare_nodes", compare_nodes)

    assert "blue compared with green" in until_done(story, ASKED).text


def test_more_comparisons_than_can_wait_are_refused_with_the_reason(
    story: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "MAX_CACHED", 2)
    monkeypatch.setattr(comparing, "WAIT_SECONDS", 0.01)
    with held(monkeypatch):
        answers = [story.get(ASKED.replace("90m", f"{minutes}m")) for minutes in (30, 60, 90)]
        assert [answer.status_code for answer in answers] == [200, 200, 503]
        assert "2 comparisons wait to be computed" in answers[2].text

    assert until_done(story, ASKED).status_code == 200


def test_a_window_without_lines_says_where_lines_are(story: Site) -> None:
    answer = until_done(story, "/fleexmon/compare?from=3d&to=2d&candidate=blue&baseline=green")

    assert answer.status_code == 404
    assert "has no counted lines of green or blue" in answer.text
