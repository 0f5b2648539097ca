"""The fast path for the parts of a record gives the same as the search, and msgspec reads the same as json."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleexmon_pipeline.collection import records
from fleexmon_pipeline.collection.reading import plans
from fleexmon_pipeline.collection.reading.names import (
    ERROR_FIELDS,
    LEVEL_FIELDS,
    MESSAGE_FIELDS,
    TEXT_FIELDS,
    TIME_FIELDS,
)
from fleexmon_pipeline.collection.reading.usual import usual
from fleexmon_pipeline.collection.times.epochs import RejectedError

OTHER_NAMES = ("metadata", "log", "jsonPayload", "fields", "context", "status", "tags", "s", "ctx", "syslog", "reqId",
               "app", "remoteAddr", "levelno", "order", "Level", "Message", "TIME", "log.level", "severityNumber",
               "request", "stack", "record", "event.created")  # fmt: skip
NAMES = st.sampled_from(
    (*TIME_FIELDS[:16], *LEVEL_FIELDS[:14], *MESSAGE_FIELDS, *TEXT_FIELDS[:14], *ERROR_FIELDS, *OTHER_NAMES)
)
WORDS = st.sampled_from(
    ["info", "ERROR", "warn", "Information", "nonsense", "", " ", "2026-11-20T10:00:00.123Z", "2026-11-20 10:00:00,5",
     "2026-11-20", "10:00:00", "1795986319", '{"msg": "inner", "level": "warn"}', "{broken", "line\n", "log\r\n", "30"]
)  # fmt: skip
SCALARS = st.one_of(
    WORDS, st.none(), st.booleans(), st.integers(0, 70), st.sampled_from([1795986319, 1795986319339, 0.042, 1.795e9])
)
VALUES = st.one_of(
    SCALARS, st.dictionaries(st.sampled_from(["message", "level", "time", "x"]), SCALARS, max_size=3), st.just(["a"])
)


def _outcome(find: Any, record: dict[str, Any]) -> Any:
    try:
        return find(record, is_odd=False)
    except RejectedError as error:
        return str(error)


@settings(max_examples=1_500, deadline=None)
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=7))
@example({"time": "2026-11-20T10:00:00Z", "level": 30, "reqId": "a", "app": "b", "remoteAddr": "c", "message": "x"})
@example({"ts": 1795986319.5, "level": "nonsense", "msg": "x", "tags": ["error"]})
@example({"time": "2026-11-20T10:00:00Z", "log": "2026-11-20 10:00:00 ERROR x\n", "stream": "stderr"})
def test_the_short_way_gives_what_the_search_gives(record: dict[str, Any]) -> None:
    searched = _outcome(records._searched, copy.deepcopy(record))
    for _ in range(2):  # the second time with what is remembered of these names
        assert _outcome(records._line, copy.deepcopy(record)) == searched


@pytest.mark.parametrize(
    "record",
    [
        {"level": 30, "time": 1795986319339, "pid": 17, "hostname": "web-1", "msg": "request completed"},
        {"level": "info", "ts": 1795986319.339, "caller": "cart.go:42", "msg": "served"},
        {"event": "served", "level": "info", "timestamp": "2026-11-29T21:05:19.339783Z"},
        {"log": "2026-11-29 21:05:19 INFO served\n", "stream": "stdout", "time": "2026-11-29T21:05:19.339783103Z"},
        {"Timestamp": "2026-11-29T21:05:19.33Z", "LogLevel": "Information", "Message": "served", "State": {}},
    ],
)
def test_usual_loggers_need_no_search(record: dict[str, Any]) -> None:
    assert usual(record) is not None


def test_what_is_remembered_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_PLANS", 10)
    made: list[tuple[str, ...]] = []

    def make(names: tuple[str, ...]) -> None:
        made.append(names)

    plan_of = plans.by_names(make)
    for n in range(25):
        plan_of({f"name-{n}": 1})
        plan_of({f"name-{n}": 2})
    long = {"x" * (plans.MAX_CHARACTERS + 1): 1}
    many = {str(n): n for n in range(plans.MAX_NAMES + 1)}
    for record in (long, many):
        plan_of(record)
        plan_of(record)

    assert len(made) == 25 + 4
    remembered: Any = plan_of.__closure__
    assert max(len(cell.cell_contents) for cell in remembered if isinstance(cell.cell_contents, dict)) <= 10


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(10**700), st.just("\ud800")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=500, deadline=None)
@given(JSON_VALUES, st.booleans())
def test_msgspec_reads_what_json_reads(value: Any, escaped: bool) -> None:
    raw = json.dumps({"a": value}, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    try:
        fast = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        fast = None  # json decides

    slow = records._decoded_by_json(raw)
    assert fast is None or (
        repr(fast) == repr(slow) and (b"\\u0000" in raw or records._ODD.search(raw) is None or _is_sound(slow))
    )
    assert repr(records.decoded(raw)[0]) == repr(slow)


def _is_sound(value: Any) -> bool:
    """Whether what was marked as odd by its looks alone needs no change: `e100` in a text, digits of a long number."""
    altered: list[str] = []
    return repr(records._storable_json(value, altered, 0)) == repr(value)
