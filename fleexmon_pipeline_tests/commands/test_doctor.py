"""`fleexmon doctor`: checks that are right, off or wrong, advice, and a status for scripts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from fleexmon_pipeline import settings
from fleexmon_pipeline.channels.channel import open_channels
from fleexmon_pipeline.channels.outbox import deliver_messages, enqueue_messages
from fleexmon_pipeline.commands.doctor import nodes, outside
from fleexmon_pipeline.commands.doctor.command import render
from fleexmon_pipeline.commands.doctor.finding import Finding, summed_up
from fleexmon_pipeline.database.server import dagster_conninfo
from fleexmon_pipeline.window import SLOT, floor
from fleexmon_pipeline_tests.channels.receivers import Receiver, message
from fleexmon_pipeline_tests.commands.conftest import Call
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN, Project, project
from fleexmon_pipeline_tests.genai_server import GenAIServer
from fleexmon_pipeline_tests.github_server import REPO, TOKEN, serve_github
from fleexmon_pipeline_tests.node_server import NodeServer, lines

T = "2026-11-20T10:01:00Z"
KEY = "key-of-the-agent-Q7x"


def findings(fleexmon: Call, *, status: int) -> dict[str, tuple[str, str]]:
    said = fleexmon("doctor", "--json")
    assert (said.status, said.err) == (status, "")
    rows = json.loads(said.out)
    assert len({row["subject"] for row in rows}) == len(rows)
    return {row["subject"]: (row["state"], row["told"]) for row in rows}


def test_when_all_is_well_it_says_so(database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with NodeServer() as node, GenAIServer() as agent, serve_github() as github:
        node.serve(lines(7, floor(datetime.now(UTC), SLOT) - SLOT))
        for variable, value in {
            "BLUE_HOST": node.host_port, "GENAI_AGENT_URL": agent.url, "GENAI_API_KEY": KEY,
            "ALERTS_REPO": REPO, "GH_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "LOG_RETENTION_DAYS": "14",
        }.items():  # fmt: skip
            monkeypatch.setenv(variable, value)

        found = findings(fleexmon, status=0)
        text = fleexmon("doctor")

    assert {subject: state for subject, (state, _) in found.items()} == {
        "python": "ok", "FLEEXMON_HOME": "ok", "DAGSTER_HOME": "off", "FLEEXMON_PORT": "ok",
        "FLEEXMON_LOGIN": "off", "FLEEXMON_UI_URL": "off", "LOG_RETENTION_DAYS": "ok", "FLEEXMON_ARCHIVE": "off",
        "FLEEXMON_FALSE_ALARMS_PER_DAY": "ok", "DATABASE_URL": "ok", "connections": "ok",
        "dagster's database": "ok", "daemon": "off", "BLUE_HOST": "ok", "GENAI_AGENT_URL": "ok",
        "ALERTS_REPO": "ok", "FLEEXMON_CHANNELS": "off", "FLEEXMON_HEARTBEAT_URL": "off",
            "FLEEXMON_MCP_TOKEN": "off",
    }  # fmt: skip
    assert "PostgreSQL 18" in found["DATABASE_URL"][1]
    assert "7 lines in the last slot" in found["BLUE_HOST"][1]
    assert "with GENAI_API_KEY" in found["GENAI_AGENT_URL"][1]
    assert found["LOG_RETENTION_DAYS"][1] == "14 days"
    assert text.status == 0
    assert text.out.splitlines()[-1] == "no problems found"
    assert KEY not in text.out
    assert TOKEN not in text.out


@pytest.mark.parametrize(
    ("records", "doubt"),
    [
        ([{"time": T, "level": "info", "msg": "x"}], ""),
        ([{"time": T, "level": "info", "msg": "x"}, {"time": "12:00", "msg": "x"}],
         ". 1 of 2 would be rejected (not a time: 12:00). `fleexmon read` lists them"),
        ([{"time": "2026-11-20T11:00:00Z", "level": "info", "msg": "x"}],
         ". 1 of 1 are outside the requested time and would be ignored"),
        ([{"time": T, "msg": "x"}] * 20, ". No line has a level, so all count as info"),
        ([{"time": T, "msg": "x"}] * 19, ""),
        ([], ". Either the node was quiet, or it serves no lines at all"),
    ],
)  # fmt: skip
def test_what_an_answer_leaves_uncertain_is_told(records: list[dict[str, str]], doubt: str) -> None:
    with NodeServer() as node:
        node.answer(body=json.dumps(records).encode())
        [finding] = nodes.check_nodes(
            settings.nodes({"BLUE_HOST": node.host_port}), now=datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
        )

    assert finding.state == "ok"
    assert re.sub("^.* in [0-9.]+ s", "", finding.told) == doubt


def test_dates_that_only_the_time_asked_for_tells_are_named() -> None:
    with NodeServer() as node:
        records = [{"time": "04/11/2026 10:01:00", "level": "info", "msg": "x"}] * 2
        node.answer(body=json.dumps(records).encode())
        [finding] = nodes.check_nodes(
            settings.nodes({"BLUE_HOST": node.host_port}), now=datetime(2026, 11, 4, 10, 5, tzinfo=UTC)
        )

    assert "2 dates are ambiguous (day or month first)" in finding.told
    assert "outside" not in finding.told


def test_every_wrong_setting_is_named_at_once(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/shop", "FLEEXMON_PORT": "http", "LOG_RETENTION_DAYS": "0",
        "BLUE_HOST": "me:hunter2@blue", "GENAI_AGENT_URL": "http://agent.example.com", "GENAI_API_KEY": "hunter2",
        "GH_TOKEN": "hunter2", "DAGSTER_HOME": "relative",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)

    found = findings(fleexmon, status=1)

    wrong = {subject for subject, (state, _) in found.items() if state == "wrong"}
    assert wrong == {
        "DATABASE_URL", "FLEEXMON_PORT", "LOG_RETENTION_DAYS", "BLUE_HOST", "GENAI_AGENT_URL", "ALERTS_REPO",
        "DAGSTER_HOME",
    }  # fmt: skip
    assert "Connection refused" in found["DATABASE_URL"][1]
    assert "hunter2" not in str(found)
    assert fleexmon("doctor").out.splitlines()[-1] == "7 wrong"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (
            "LOG_SOURCES",
            "w=syslog+http://10.0.0.5",
            '"syslog+http://10.0.0.5" is not a node: syslog+http is not a known source',
        ),
        ("LOG_SOURCES", "w=10.0.0.5,w=10.0.0.6", '"w" is used twice. Each node needs its own name.'),
        ("LOG_SOURCES", "w=10.0.0", '"10.0.0" is not a node: neither an address, nor host:port'),
        ("FLEEXMON_MAX_ANSWER_BYTES", "4GB", '"4GB" is not a whole number.'),
        ("FLEEXMON_MAX_ANSWER_SECONDS", "1e3", '"1e3" is not a whole number.'),
        ("FLEEXMON_MAX_RECORD_BYTES", "5", "5 is not between 10000 and 1000000000."),
        ("FLEEXMON_MAX_RATIO", "0", "0 is not between 10 and 100000."),
    ],
)
def test_a_bad_source_or_limit_is_told_with_its_value_and_reason(
    variable: str, value: str, told: str, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    state, said = findings(fleexmon, status=1)[variable]
    assert state == "wrong"
    assert told in said


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>Welcome</html>", "answered"),
        (404, b"", "HTTP 404"),
        (302, b"", "redirect"),
        (200, b"", "answered"),
    ],
)
def test_a_node_that_answers_something_else_is_wrong(
    status: int, body: bytes, reason: str, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NodeServer() as node:
        node.answer(status=status, body=body)
        monkeypatch.setenv("GREEN_HOST", node.host_port)

        state, told = findings(fleexmon, status=1)["GREEN_HOST"]

    assert state == "wrong"
    assert reason in told
    assert node.host_port in told


def test_without_nodes_it_says_what_to_set(fleexmon: Call) -> None:
    state, told = findings(fleexmon, status=1)["BLUE_HOST"]

    assert state == "wrong"
    assert "`fleexmon up` starts them" in told
    assert "BLUE_HOST=10.0.0.5:8080" in told


def test_the_demo_nodes_of_up_are_looked_at_where_none_is_set(fleexmon: Call, tmp_path: Path) -> None:
    with NodeServer() as node:
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "demo-nodes.json").write_text(json.dumps({"blue": node.host_port}))

        state, told = findings(fleexmon, status=0)["BLUE_HOST"]

    assert state == "ok"
    assert told.endswith("(demo)")


def test_holes_old_nodes_and_the_daemon_are_told(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with database.connect() as connection, NodeServer() as node:
        for name, status, error in (
            ("blue", "complete", None), ("green", "missing", "ConnectError: refused"), ("grey", "missing", "gone"),
        ):  # fmt: skip
            connection.execute(
                'INSERT INTO "LogCoverage" (node, slot, status, error, "updatedAt") VALUES (%s, %s, %s, %s, %s)',
                [name, floor(now, SLOT) - SLOT, status, error, now],
            )
        with psycopg.connect(make_conninfo(**dagster_conninfo(database.url)), autocommit=True) as own:
            own.execute("CREATE TABLE daemon_heartbeats (daemon_type TEXT, timestamp TIMESTAMP)")
            own.execute("INSERT INTO daemon_heartbeats VALUES ('SCHEDULER', now() AT TIME ZONE 'UTC')")
            monkeypatch.setenv("BLUE_HOST", node.host_port)
            monkeypatch.setenv("GREEN_HOST", f"{node.host_port}/other".replace("127.", "http://127.", 1))

            found = findings(fleexmon, status=1)
            assert found["daemon"] == ("ok", "running")

            own.execute("UPDATE daemon_heartbeats SET timestamp = %s", [now.replace(tzinfo=None) - timedelta(hours=1)])
            assert "no schedule runs" in findings(fleexmon, status=1)["daemon"][1]

    assert found["coverage of blue"][0] == "ok"
    state, told = found["coverage of green"]
    assert state == "wrong"
    assert "1 missing or partial" in told
    assert "ConnectError: refused. They are retried automatically" in told
    assert found["node grey"][0] == "off"
    assert "coverage of grey" not in found


def test_what_does_not_answer_is_wrong_and_the_rest_is_looked_at(
    fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAI_AGENT_URL", "http://127.0.0.1:1")
    with NodeServer() as node, serve_github() as github:
        github.fail("GET", status=401)
        for variable, value in {
            "BLUE_HOST": node.host_port, "ALERTS_REPO": REPO, "GH_TOKEN": TOKEN, "GITHUB_API_URL": github.url,
        }.items():  # fmt: skip
            monkeypatch.setenv(variable, value)

        found = findings(fleexmon, status=1)

    assert found["GENAI_AGENT_URL"][0] == "wrong"
    assert "Pending judgements will be retried" in found["GENAI_AGENT_URL"][1]
    assert found["ALERTS_REPO"][0] == "wrong"
    assert found["BLUE_HOST"][0] == "ok"
    assert TOKEN not in str(found)


@pytest.mark.parametrize(
    "answer",
    [{"delay": 60.0}, {"drip_after": b"HTTP/1.1 200 OK\r\nX-Slow: "}, {"drip_after": b"HTTP/1.1 200 OK\r\n\r\n"}],
    ids=["hangs", "drips its headers", "drips its body"],
)
def test_an_agent_or_a_github_that_does_not_come_to_an_end_holds_the_look_for_its_time_only(
    answer: dict[str, Any], fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "CHECK_SECONDS", 0.4)
    with NodeServer() as slow:
        slow.answer(**answer)
        for variable, value in {
            "GENAI_AGENT_URL": slow.url.removesuffix("/api/logs"), "GITHUB_API_URL": slow.url.removesuffix("/api/logs"),
            "ALERTS_REPO": REPO, "GH_TOKEN": TOKEN,
        }.items():  # fmt: skip
            monkeypatch.setenv(variable, value)

        found = findings(fleexmon, status=1)

    if answer.get("drip_after", b"").endswith(b"\r\n\r\n"):  # its status is known, and no more is wanted
        assert found["GENAI_AGENT_URL"][0] == "ok"
    else:
        assert found["GENAI_AGENT_URL"][0] == "wrong"
        assert "no response in 0.4 s" in found["GENAI_AGENT_URL"][1]
    assert found["ALERTS_REPO"][0] == "wrong"
    assert "no response in 0.4 s" in found["ALERTS_REPO"][1]


@pytest.mark.filterwarnings(DAGSTERS_OWN)
def test_while_a_check_fails_it_is_not_said_that_nothing_is_wrong(
    database: Database, fleexmon: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project(database, tmp_path, monkeypatch) as opened, NodeServer() as node:
        opened.watch(node)
        _check_that_fails(opened, fleexmon)


def _check_that_fails(opened: Project, fleexmon: Call) -> None:
    def evaluated(name: str, *, passed: bool, said: str) -> None:
        event = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("issue_alerts"), check_name=name, passed=passed, metadata={}, description=said
        )
        opened.instance.report_runless_asset_event(event)

    evaluated("everything_is_sent", passed=True, said="nothing waits")
    evaluated("everything_is_sent", passed=False, said="2 to look at\x1b[31m")
    evaluated("rules_are_believed", passed=False, said="14 to look at")
    evaluated("rules_are_believed", passed=True, said="0.2 issues a day")

    found = findings(fleexmon, status=0)
    text = fleexmon("doctor").out

    state, told = found["check everything_is_sent"]
    assert state == "warn"
    assert told.startswith("failed: 2 to look at")
    assert "details in the UI: asset issue_alerts, Checks" in told
    assert f"evaluated {datetime.now(UTC):%Y-%m-%d}" in told
    assert "check rules_are_believed" not in found
    assert text.splitlines()[-1] == "0 wrong, 1 check fails"
    assert "no problems found" not in text
    assert "\x1b" not in text

    evaluated("everything_is_sent", passed=True, said="nothing waits")
    assert fleexmon("doctor").out.splitlines()[-1] == "no problems found"


def test_channels_are_named_without_their_urls(fleexmon: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEEXMON_CHANNELS", "bad=slack://T0PSECRET4711,good=json://127.0.0.1:9/T0PSECRET4711")

    found = findings(fleexmon, status=1)

    state, told = found["FLEEXMON_CHANNELS"]
    assert (state, told.startswith('"bad": its URL is not complete')) == ("wrong", True)
    assert found["channel good"] == ("ok", "JSON, severity high and above. Test it: `fleexmon channels test good`")
    assert "T0PSECRET4711" not in str(found)


def test_a_channel_that_fails_is_told_with_its_reason(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.url)
    with Receiver() as receiver, database.connect() as connection:
        monkeypatch.setenv("FLEEXMON_CHANNELS", f"ops=json://{receiver.host_port}/T0PSECRET4711")
        receiver.fail(401)
        enqueue_messages(connection, [message(at=datetime.now(UTC))], open_channels(), now=datetime.now(UTC))
        deliver_messages(connection, open_channels(), now=datetime.now(UTC))

        said = fleexmon("doctor", "--json").out

    (found,) = (row for row in json.loads(said) if row["subject"] == "messages to ops")
    assert found["state"] == "warn"
    assert "HTTP 401: no; 1 message waiting. `fleexmon channels test ops`" in found["told"]
    assert "T0PSECRET4711" not in said


def test_nodes_that_were_linked_are_named_with_how_to_take_it_back(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.connect() as connection:
        connection.execute(
            """INSERT INTO "NodeLinks" VALUES (now() - interval '1 day', '', '[["old", "pair"]]'), """
            """(now(), '', '[["blue", "edge"]]')"""
        )
    with NodeServer() as node:
        monkeypatch.setenv("BLUE_HOST", node.host_port)
        state, told = findings(fleexmon, status=0)["linked nodes"]

    assert state == "ok"
    assert told.startswith("blue and edge often have errors at the same time")
    assert "unrelated" in told


def test_answers_that_asking_again_does_not_mend_are_named_with_what_to_change(
    database: Database, fleexmon: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    calls = [("content_filter", 1), ("content_filter", 3), ("tool_calls", 30), ("timeout", 1), ("ok", 1)]
    insert = """
        INSERT INTO "GenAICall"
          (id, at, "windowStart", "windowEnd", "promptVersion", "evidenceHash", "latencyMs", outcome)
        VALUES (gen_random_uuid(), %(at)s, %(at)s, %(at)s, 'v', 'h', 1, %(outcome)s)
    """
    with database.connect() as connection:
        for outcome, hours in calls:
            connection.execute(insert, {"at": now - timedelta(hours=hours), "outcome": outcome})
    with NodeServer() as node:
        monkeypatch.setenv("BLUE_HOST", node.host_port)
        found = findings(fleexmon, status=0)

    answers = {subject: finding for subject, finding in found.items() if subject.startswith("GenAI ")}
    assert list(answers) == ["GenAI content_filter"]
    state, told = answers["GenAI content_filter"]
    assert state == "warn"
    assert told.startswith("2 answers of the last 24 h")
    assert "guardrails" in told


def test_a_thousand_nodes_are_few_lines_and_those_that_are_wrong_among_them() -> None:
    found = [
        Finding(f"coverage of n{number}", "wrong" if number % 25 == 0 else "ok", "told", "coverage of nodes")
        for number in range(1_000)
    ]
    page = render([Finding("python", "ok", "3.11.7"), *found])

    assert "960 ok; --json lists them" in page
    assert [f"coverage of n{number} " in page for number in (25, 475, 500, 26)] == [True, True, False, False]
    assert "20 more; --json lists them" in page
    assert page.endswith("40 wrong")
    assert len(page.splitlines()) < 30


def test_a_few_nodes_are_each_shown() -> None:
    found = [Finding(f"coverage of n{number}", "ok", "told", "coverage of nodes") for number in range(20)]
    assert summed_up(found) == found
