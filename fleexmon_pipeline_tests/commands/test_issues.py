"""Issues in a terminal and as JSON; how they are made is tested in `detection/`."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from fleexmon_pipeline.issues.occurrence import Severity, Subject
from fleexmon_pipeline.issues.people import Scope, mute
from fleexmon_pipeline.reporting.alerts import Alerts, refresh_alerts
from fleexmon_pipeline.window import DAY
from fleexmon_pipeline_tests.commands.conftest import Call, refused
from fleexmon_pipeline_tests.conftest import Database
from fleexmon_pipeline_tests.issues.story import cover, fire, firing

EVIDENCE = uuid.UUID(int=7)


@pytest.fixture
def found(database: Database) -> list[str]:
    """Ids of an open issue of blue, high, and a resolved one of green, medium."""
    with database.connect() as connection:
        connection.execute(
            'INSERT INTO "LogEntry" (id, timestamp, source, hostname, level, message) '
            "VALUES (%s, '2026-11-20 10:00:01', 'blue', 'blue', 'error', 'no \x1b[31mmore space')",
            [EVIDENCE],
        )
        for node in ("blue", "green"):
            cover(connection, range(40), node=node)
        fire(connection, firing(0, subject=Subject("green", "3c4d"), title="an old story"))
        fire(connection, firing(38, severity=Severity.HIGH, title="disk \x1b[31m full", evidence=[EVIDENCE]))
        rows = connection.execute('SELECT id, title FROM "LogIssue" ORDER BY "detectedAt" DESC').fetchall()
        return [str(row["id"]) for row in rows]


def test_the_list_tells_the_open_ones_and_how_many(found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "list")

    line, total = said.out.splitlines()
    assert line.startswith(f"{found[0][:18]}  high      open")
    assert line.endswith("blue          disk \ufffd[31m full")
    assert total == "1 open issue"
    assert fleexmon("issues", "list", "--status", "all").out.splitlines()[-1] == "2 issues"
    assert fleexmon("issues", "list", "--status", "all", "--limit", "1").out.splitlines()[-1] == "1 issue or more"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [0]),
        (["--status", "all"], [0, 1]),
        (["--status", "resolved"], [1]),
        (["--status", "all", "--severity", "medium"], [1]),
        (["--status", "all", "--node", "blue"], [0]),
        (["--status", "all", "--since", "2026-11-20T12:00"], [0]),
        (["--node", "red"], []),
    ],
)
def test_json_is_one_array(options: list[str], expected: list[int], found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "list", *options, "--json")

    assert said.status == 0
    assert ('no node "red" was ever polled' in said.err) == ("red" in options)
    assert [row["id"] for row in json.loads(said.out)] == [found[n] for n in expected]


def test_one_is_shown_with_its_evidence_by_the_beginning_of_its_id(found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "show", found[0][:18])

    assert said.status == 0
    for part in ("disk \ufffd[31m full", found[0], "open, high, repeated-error by detector", "no \ufffd[31mmore space",
                 "Evidence (newest 1 of 1 log line)"):  # fmt: skip
        assert part in said.out

    shown = json.loads(fleexmon("issues", "show", found[0], "--json").out)
    assert shown["issue"]["id"] == found[0]
    assert shown["evidence"][0]["id"] == str(EVIDENCE)


def test_the_page_tells_what_is_around_it(found: list[str], fleexmon: Call, database: Database) -> None:
    with database.connect() as connection:
        fire(connection, firing(39, title="again", metadata={"runbook": "repeated-error", "pattern": "1f2e"}))
        fire(connection, firing(38, subject=Subject("green", "1f2e"), metadata={"pattern": "1f2e"}))
    newest = database.rows("""SELECT id FROM "LogIssue" WHERE title = 'again'""")[0]["id"]
    fleexmon("issues", "mute", "--node", "blue", "--why", "being \x1b built", "--by", "ann")
    said = fleexmon("issues", "show", str(newest))

    assert said.status == 0
    assert "\x1b" not in said.out
    lines = said.out.splitlines()
    bars = lines[lines.index("The 24 hours before") + 1]
    assert set(bars.strip()) <= set("▁▂▃▄▅▆▇█·")
    assert len(bars.strip()) == 48
    for part in ("windows      2026-11-20-13:00", "muted        until unmuted by ann: being", "Runbook repeated-error",
                 "  # Repeated error"):  # fmt: skip
        assert part in said.out
    shown = json.loads(fleexmon("issues", "show", str(newest), "--json").out)
    assert shown["runbook"].startswith("# Repeated error")
    assert [mute["node"] for mute in shown["mutes"]] == ["blue"]
    assert len(shown["last_day"]["lines"]) == 48
    assert shown["windows"] == ["2026-11-20-13:00"]


@pytest.mark.parametrize("metadata", [None, "[1]", '{"nodes": 7, "runbook": "../../etc/passwd", "fingerprint": []}'])
def test_rows_of_other_programs_have_a_page(metadata: str | None, fleexmon: Call, database: Database) -> None:
    (row,) = database.rows(
        'INSERT INTO "LogIssue" (type, severity, title, description, source, "detectedAt", "updatedAt", metadata)'
        " VALUES ('t', 'low', 'Theirs', '', 'ops', '2026-11-20', '2026-11-20', %(metadata)s::jsonb) RETURNING id",
        metadata=metadata,
    )
    assert "Theirs" in fleexmon("issues", "show", str(row["id"])).out


def test_a_row_of_another_program_without_a_status_is_listed(fleexmon: Call, database: Database) -> None:
    database.rows(
        'INSERT INTO "LogIssue" (type, severity, title, description, source, status, "detectedAt", "updatedAt")'
        " VALUES ('t', 'low', 'Theirs', '', 'ops', NULL, '2026-11-20', '2026-11-20') RETURNING id"
    )
    said = fleexmon("issues", "list", "--status", "all")

    assert said.status == 0
    assert "low       unknown   11-20 00:00 – 11-20 00:00  all nodes     Theirs" in said.out


def test_the_list_shows_what_is_muted(found: list[str], fleexmon: Call) -> None:
    fleexmon("issues", "mute", "--node", "blue", "--why", "being rebuilt")

    line, total = fleexmon("issues", "list").out.splitlines()
    assert line.startswith(f"{found[0][:18]}  high      muted")
    assert total == "1 open issue, 1 of them muted"
    listed = json.loads(fleexmon("issues", "list", "--status", "all", "--json").out)
    assert [(row["status"], row["muted"]) for row in listed] == [("open", True), ("resolved", False)]


def test_a_beginning_that_two_share_is_refused_with_both(found: list[str], fleexmon: Call) -> None:
    common = next(n for n, (a, b) in enumerate(zip(*found, strict=True)) if a != b)

    told = refused(fleexmon("issues", "show", found[0][: max(common, 4)]))

    assert "2 ids start with it" in told
    assert all(name in told for name in found)


# -- what people do with them ---------------------------------------------------------------------------------------


def test_a_resolve_is_kept_and_firing_later_is_another_issue(
    found: list[str], fleexmon: Call, database: Database
) -> None:
    said = fleexmon("issues", "resolve", found[0][:18], "--by", "ann", "--why", "disk replaced", "--as", "real")
    assert said.out.startswith(f"{found[0]}  resolved, marked as real: disk")
    with database.connect() as connection:
        fire(connection, firing(39))
    row = database.rows(
        "SELECT status, metadata ->> 'resolvedBy' AS by, metadata ->> 'resolvedReason' AS why FROM \"LogIssue\" "
        "WHERE id = %(id)s", id=found[0],
    )  # fmt: skip
    assert row == [{"status": "resolved", "by": "ann", "why": "disk replaced"}]
    assert "already resolved" in fleexmon("issues", "resolve", found[0], "--as", "noise").out
    assert database.rows('SELECT verdict, "by" <> \'\' AS told FROM "IssueVerdict"') == [
        {"verdict": "noise", "told": True}
    ]


def test_a_mute_is_written_down_and_ends(found: list[str], fleexmon: Call) -> None:
    said = fleexmon("issues", "mute", found[0], "--why", "known \x1b[31m since May", "--for", "7d", "--by", "ann")
    assert said.out.startswith("muted until 20")
    fleexmon("issues", "mute", "--node", "green", "--why", "being built")
    mutes = json.loads(fleexmon("issues", "mutes", "--json").out)
    assert [(row["fingerprint"], row["node"], row["why"][:5]) for row in mutes] == [
        (None, "green", "being"), ("repeated-error:pattern:1f2e@blue", None, "known"),
    ]  # fmt: skip
    listed = fleexmon("issues", "mutes").out
    assert "\x1b" not in listed
    assert listed.endswith("2 mutes\n")
    assert fleexmon("issues", "unmute", found[0]).out.startswith("1 mute ended")
    assert fleexmon("issues", "unmute", found[0]).out.startswith("was not muted")
    assert fleexmon("issues", "unmute", "--node", "green").out == "1 mute ended: node green\n"
    assert fleexmon("issues", "mutes").out == "0 mutes\n"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["resolve", "12345678"], "not found"),
        (["resolve", "ID", "--as", "rubbish"], "'rubbish' is not one of"),
        (["mute", "--why", "x"], "give exactly one of: issues, --fingerprint, --node, --rule, --all"),
        (["mute", "ID", "--node", "blue", "--why", "x"], "give exactly one of"),
        (["mute", "--rule", "silent-nod", "--why", "x"], '--rule: "silent-nod" is not a known rule'),
        (["mute", "--node", "bleu", "--why", "x"], "`fleexmon nodes` lists them"),
        (["mute", "--fingerprint", "a:b", "--why", "x"], "`fleexmon issues show ID --json` shows fingerprints"),
        (["mute", "ID", "--why", "x", "--for", "2020-01-01"], '--for: "2020-01-01"'),
        (["mute", "ID", "--why", "x", "--until", "2020-01-01"], '--until: "2020-01-01" is in the past'),
        (["mute", "ID", "--why", "x", "--until", "2090-01-01", "--for", "7d"], "give one of them"),
        (["mute", "ID", "--why", "x", "--for", "soon"], '--for: "soon" is not a length of time'),
        (["mute", "ID", "--why", "x", "--for", "2126-01-01"], '--for: "2126-01-01"'),
        (["unmute", "zzzz"], "issue 'zzzz': not an id"),
        (["unmute", "THEIRS"], "made by another program, without a fingerprint to mute. Resolve it"),
    ],
)
def test_what_cannot_be_done_says_why(
    command: list[str], reason: str, found: list[str], fleexmon: Call, database: Database
) -> None:
    (theirs,) = database.rows(
        'INSERT INTO "LogIssue" (type, severity, title, description, source, "detectedAt", "updatedAt")'
        " VALUES ('t', 'low', '', '', 'ops', '2026-11-20', '2026-11-20') RETURNING id::text"
    )
    ids = {"ID": found[0], "THEIRS": str(theirs["id"])}
    assert reason in refused(fleexmon("issues", *(ids.get(word, word) for word in command)))


def test_several_are_done_at_once_or_none(found: list[str], fleexmon: Call, database: Database) -> None:
    tables = '"LogIssue"', '"IssueMute"', '"IssueVerdict"'
    before = database.fingerprint(*tables)
    for command in (["resolve", "--as", "noise"], ["mute", "--why", "x"], ["unmute"]):
        told = refused(fleexmon("issues", command[0], found[0], "12345678", "soup", *command[1:]))
        assert "issue 12345678: not found" in told
        assert "issue 'soup': not an id" in told
        assert fleexmon("issues", *command, *found, "--dry-run").status == 0
    assert database.fingerprint(*tables) == before

    looked = fleexmon("issues", "resolve", *found, found[0][:18], "--dry-run").out
    assert [line.split("  ")[1].split(":")[0] for line in looked.splitlines()] == [
        "would be resolved", "already resolved",
    ]  # fmt: skip
    done = json.loads(fleexmon("issues", "resolve", *found, "--as", "noise", "--why", "a test", "--json").out)
    assert [(row["id"], row["resolved"], row["as"]) for row in done] == [
        (found[0], True, "noise"), (found[1], False, "noise"),
    ]  # fmt: skip

    fingerprints = ["repeated-error:pattern:1f2e@blue", "repeated-error:pattern:3c4d@green"]
    muted = json.loads(fleexmon("issues", "mute", *found, found[0][:18], "--why", "x", "--json").out)
    assert [(row["fingerprint"], row["open_issues"]) for row in muted] == [(name, []) for name in fingerprints]
    ends = fleexmon("issues", "unmute", *found, "--dry-run").out.splitlines()
    assert ends == [f"1 mute would end: {name}" for name in fingerprints]
    ended = json.loads(fleexmon("issues", "unmute", *found, "--json").out)
    assert [(row["fingerprint"], row["ended"]) for row in ended] == [(name, 1) for name in fingerprints]


def test_an_issue_that_is_muted_reaches_nobody_until_it_is_unmuted(
    found: list[str], fleexmon: Call, database: Database
) -> None:
    now = datetime(2026, 11, 20, 14, tzinfo=UTC)

    def told() -> int:
        with database.connect() as connection:
            refresh_alerts(connection, now=now)
        return len(database.rows('SELECT key FROM "Outbox"'))

    with database.connect() as connection:
        scope = Scope(fingerprint="repeated-error:pattern:1f2e@blue")
        mute(connection, scope, by="ann", why="known", now=now - DAY, until=None)
        mute(connection, Scope(node="blue"), by="ann", why="over", now=now - 2 * DAY, until=now - DAY)
    assert told() == 0
    fleexmon("issues", "unmute", found[0])
    assert told() == 1


def test_all_of_a_rule_are_muted_after_a_look_at_which(found: list[str], fleexmon: Call, database: Database) -> None:
    looked = fleexmon(
        "issues", "mute", "--rule", "repeated-error", "--why", "known", "--until", "2090-01-01", "--dry-run"
    )
    assert looked.out.splitlines()[0].startswith(f"{found[0][:18]}  high")
    assert looked.out.endswith("would be muted until 2090-01-01 00:00 UTC: rule repeated-error (1 open issue)\n")
    assert fleexmon("issues", "mutes").out == "0 mutes\n"

    for why in ("known", "known since May"):  # what is said last holds
        said = fleexmon("issues", "mute", "--rule", "repeated-error", "--why", why, "--until", "2090-01-01", "--json")
    (told,) = json.loads(said.out)
    assert (told["rule"], told["dry_run"], [row["id"] for row in told["open_issues"]]) == (
        "repeated-error",
        False,
        found[:1],
    )
    assert [row["why"] for row in json.loads(fleexmon("issues", "mutes", "--json").out)] == ["known since May"]
    assert "muted        until 2090-01-01 00:00 UTC by" in fleexmon("issues", "show", found[0]).out
    fleexmon("issues", "mute", "--rule", "silent-node", "--why", "has not fired yet")
    with database.connect() as connection:
        refresh_alerts(connection, now=datetime(2026, 11, 20, 14, tzinfo=UTC))
    assert database.rows('SELECT key FROM "Outbox"') == []

    assert fleexmon("issues", "unmute", "--rule", "repeated-error", "--why", "mended").out.startswith("1 mute ended")
    ended = database.rows('SELECT "endedWhy" AS why FROM "IssueMute" WHERE "endedAt" IS NOT NULL ORDER BY since')
    assert ended == [{"why": "muted anew"}, {"why": "mended"}]


def test_what_was_told_before_it_was_muted_gets_worse_in_silence_and_ends(
    found: list[str], fleexmon: Call, database: Database
) -> None:
    def refreshed(minute: int) -> Alerts:
        with database.connect() as connection:
            return refresh_alerts(connection, now=datetime(2026, 11, 20, 14, minute, tzinfo=UTC))

    assert len(refreshed(0).opened) == 1
    fleexmon("issues", "mute", found[0], "--why", "known", "--until", "2090-01-01")
    database.rows("""UPDATE "LogIssue" SET severity = 'critical' WHERE status = 'open' RETURNING id""")
    assert refreshed(5).commented == []
    fleexmon("issues", "resolve", found[0], "--why", "mended")
    assert len(refreshed(10).closed) == 1
