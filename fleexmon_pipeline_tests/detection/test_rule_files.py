"""Rules as people write them: which are valid, and errors with place and reason."""

from __future__ import annotations

import unicodedata
from importlib.resources import files
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.detection.rule_files import BUILT_IN, all_rules, check_samples, load_rules, report
from fleexmon_pipeline.detection.rule_kinds import Ratio, Threshold
from fleexmon_pipeline.detection.rule_model import MAX_TITLE, MESSAGES, Rule

SOUND = """\
name: disk-full
kind: threshold
where: {level: [error], message: [ENOSPC]}
count: {more_than: 2, within: 15m, per: node}
severity: high
title: "Disk full ({count}x)"
description: "{node} has no space left: {top_pattern}"
samples:
  - {level: error, message: "ENOSPC: no space left", fires: true}
"""


def write(directory: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (directory / f"{name.replace('_', '-')}.yaml").write_text(dedent(text), "utf-8")
    return directory


def refusal(directory: Path, text: str) -> str:
    """The problems of a file that stands beside a sound one, which must load nevertheless."""
    loaded = load_rules(write(directory, wrong=text, sound=SOUND.replace("disk-full", "sound")))
    assert [rule.name for rule in loaded.rules] == ["sound"]
    assert loaded.problems
    return "\n".join(map(str, loaded.problems))


def test_the_rules_that_come_with_the_product_load_and_prove_themselves() -> None:
    loaded = load_rules()

    assert loaded.problems == ()
    assert {rule.name: (rule.kind, rule.severity, rule.source) for rule in loaded.rules} == {
        "high-error-rate": ("ratio", "high", "detector"),
        "repeated-error": ("repeated", "medium", "detector"),
        "memory-warning": ("threshold", "high", "detector"),
        "connection-failure": ("threshold", "medium", "detector"),
        "unusual-error-rate": ("rate", "high", "detector"),
        "persistent-errors": ("rate", "medium", "detector"),
        "unusual-pattern": ("rate", "medium", "detector"),
        "unusual-warning": ("rate", "medium", "detector"),
        "unusual-failure-message": ("rate", "medium", "detector"),
        "unusual-volume": ("rate", "low", "detector"),
        "flooding-pattern": ("rate", "low", "detector"),
        "runs-unfinished": ("unfinished", "medium", "detector"),
        "unusual-outcome": ("instead", "medium", "detector"),
        "values-stuck": ("stuck", "medium", "detector"),
        "new-error": ("new", "high", "detector"),
        "new-warning": ("new", "medium", "detector"),
        "new-failure-message": ("new", "medium", "detector"),
        "lines-missing": ("drop", "high", "detector"),
        "message-overdue": ("missed", "high", "detector"),
        "companion-missing": ("companion", "medium", "detector"),
        "counterpart-missing": ("companion", "medium", "detector"),
        "silent-node": ("silence", "critical", "detector"),
        "error-rate-trending-up": ("trend", "medium", "predictor"),
        "deployment-diverges": ("divergence", "high", "detector"),
        "slower-than-usual": ("value", "medium", "detector"),
        "log-volume-spike": ("spike", "low", "predictor"),
        "issue-backlog": ("backlog", "medium", "predictor"),
        "forecast-high-error-rate": ("forecast", "medium", "predictor"),
    }
    assert {rule.grace.total_seconds() / 3600 for rule in loaded.rules if rule.source == "detector"} == {1}
    assert {rule.grace.total_seconds() / 3600 for rule in loaded.rules if rule.source == "predictor"} == {6}


def test_a_rule_names_a_runbook_that_is_there() -> None:
    runbooks = {file.name for file in (files("fleexmon_pipeline") / "runbooks").iterdir()}
    assert {f"{rule.runbook}.md" for rule in load_rules().rules if rule.runbook} <= runbooks


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    (rule,) = load_rules(write(tmp_path, disk_full=SOUND)).rules
    assert isinstance(rule, Threshold)
    assert (rule.enabled, rule.type, rule.source, rule.grace.total_seconds()) == (True, None, "detector", 3600)


def test_a_version_follows_what_the_rule_means_and_not_its_wording(tmp_path: Path) -> None:
    (one,) = load_rules(write(tmp_path, a=SOUND)).rules
    reworded = (
        SOUND.replace("Disk full", "No space").replace("has no space left", "is full").replace("ENOSPC: no", "ENOSPC")
    )
    (same,) = load_rules(write(tmp_path, a=f"# a comment\nenabled: true\n{reworded}runbook: disk-full\n")).rules
    assert same.title != one.title
    (other,) = load_rules(write(tmp_path, a=SOUND.replace("more_than: 2", "more_than: 3"))).rules
    assert one.version == same.version
    assert one.version != other.version
    assert len(one.version) == 12


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("severity: high", "severity: high\nseverty: low", 'wrong.yaml:6: "severty" is not a key of this kind of rule'),
        ("severity: high\n", "", 'wrong.yaml:1: "severity" is missing'),
        ("severity: high", "severity: urgent", "wrong.yaml:5: severity: Input should be 'low', 'medium'"),
        ("more_than: 2", "more_than: -1", "wrong.yaml:4: count.more_than: Input should be greater than or equal to 0"),
        ("more_than: 2", "more_then: 2", 'wrong.yaml:4: "count.more_than" is missing'),
        ("more_than: 2", "more_than: true", "wrong.yaml:4: count.more_than: Input should be a valid integer"),
        ("within: 15m", "within: 15", "wrong.yaml:4: count.within: 15 is not a duration; examples: 15m, 1h, 1d"),
        ("within: 15m", "within: 7m", "wrong.yaml:4: count.within: must be a multiple of 5m, from 5m to 1d"),
        ("per: node", "per: pattern", "wrong.yaml:4: count.per: Input should be 'node'"),
        ("message: [ENOSPC]", "message: ENOSPC", "wrong.yaml:3: where.message: must be a list"),
        ("message: [ENOSPC]", 'message: [" "]', "wrong.yaml:3: where.message.0: a text to look for needs at least one"),
        ("{level: [error], message: [ENOSPC]}", "{}", "wrong.yaml:3: where: level, message or matches is needed"),
        ("level: [error]", "level: [eror]", "wrong.yaml:3: where.level.0: Input should be 'debug'"),
        ("({count}x)", "({cuont}x)", "wrong.yaml:6: title: {cuont} is unknown here; this kind has count,"),
        ("({count}x)", "({count.__class__}x)", "wrong.yaml:6: title: {count.__class__} is unknown here"),
        ("({count}x)", "({count:>9999999}x)", "wrong.yaml:6: title: {count:>9999999}: only a length"),
        ("title:", 'what: "{cuont}"\ntitle:', "wrong.yaml:6: what: {cuont} is unknown here; this kind has count,"),
        ("title:", f"what: {'x' * 61}\ntitle:", "wrong.yaml:6: what: String should have at most 60 characters"),
        ("({count}x)", "({count", "wrong.yaml:6: title: expected '}' before end of string"),
        ("kind: threshold", "kind: treshold", 'wrong.yaml:2: kind "treshold" is unknown; use one of ratio, repeated,'),
        ("kind: threshold\n", "", 'wrong.yaml:1: "kind" is missing; use one of'),
        ("name: disk-full", "name: ../../etc/passwd", "wrong.yaml:1: name: String should match pattern"),
        ("severity: high", "severity: high\nseverity: low", '6: is not valid YAML: "severity" appears twice'),
        ("severity: high", "severity: [high", "wrong.yaml:6: is not valid YAML: expected"),
        ("severity: high", "severity: &s high\nrunbook: *s", "wrong.yaml:5: is not valid YAML: aliases (*name)"),
        ("severity: high", "severity: 2026-99-99", "wrong.yaml: is not valid YAML: month must be in 1..12"),
        ("severity: high", "severity: high\nrunbook: ../secrets", "wrong.yaml:6: runbook: String should match pattern"),
        ("fires: true", "fires: false", "wrong.yaml:9: sample 1 must not match and does: error 'ENOSPC"),
        ('error, message: "ENOSPC', 'warn, message: "ENOSPC', "wrong.yaml:9: sample 1 must match and does not"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_file_line_and_reason(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in SOUND
    assert problem in refusal(tmp_path, SOUND.replace(old, new, 1))


def test_a_rate_by_texts_is_one_of_patterns(tmp_path: Path) -> None:
    rule = """name: sync-fails
kind: rate
where: {level: [info], matches: ["could not sync"]}
rate: {per: pattern, at_least: {15m: 6}}
severity: medium
title: "Sync fails on {node}"
description: "{template}"
grace: 1h
"""
    (sound,) = load_rules(write(tmp_path, a=rule)).rules
    assert sound.lines.has_text("could not sync <num>")
    assert not sound.lines.has_text("synced <num>")
    mistakes = load_rules(write(tmp_path, a=rule.replace("per: pattern", "per: node").replace("template", "node")))
    assert "matches needs `per: pattern`" in str(mistakes.problems[0])


def test_rules_without_expressions_keep_the_version_that_they_had() -> None:
    (rule,) = (rule for rule in load_rules().rules if rule.name == "unusual-warning")
    assert "matches" not in rule.model_dump(mode="json")["where"]


@pytest.mark.parametrize(
    "text", ["", "just a word", "- a\n- b", "? [a]\n: b", "a: &x [*x]", "[" * 3000, "\x01", "null"]
)
def test_what_is_no_rule_at_all_is_refused_alone(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("wrong.yaml")


def test_bytes_that_are_no_text_and_files_too_large_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: größe".encode("latin-1"))
    (tmp_path / "huge.yaml").write_bytes(b"#" * 200_000)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "notes.txt").write_text("not looked at")
    assert [str(problem) for problem in load_rules(tmp_path).problems] == [
        "folder.yaml: Is a directory",
        "huge.yaml: has 200,000 bytes; a rule may have 100,000",
        "latin.yaml: is not UTF-8 text",
    ]


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    loaded = load_rules(tmp_path / "rules")
    assert str(loaded.problems[0]) == f"{tmp_path / 'rules'}: is not a directory"


def test_of_two_rules_of_one_name_the_second_is_refused(tmp_path: Path) -> None:
    loaded = load_rules(write(tmp_path, a=SOUND, b="# mine\n" + SOUND))
    assert [rule.name for rule in loaded.rules] == ["disk-full"]
    assert [str(problem) for problem in loaded.problems] == ["b.yaml:2: a.yaml already has a rule named disk-full"]


def test_samples_are_judged_by_where() -> None:
    high = next(rule for rule in load_rules().rules if isinstance(rule, Ratio))
    assert check_samples(high) == []
    wrong = high.model_copy(update={"samples": tuple(s.model_copy(update={"fires": True}) for s in high.samples)})
    assert [index for index, _ in check_samples(wrong)] == [3]


def test_the_report_names_rules_and_problems(tmp_path: Path) -> None:
    text = report(load_rules(write(tmp_path, a=SOUND, b="kind: x")))
    assert text.splitlines()[0].startswith("ok       disk-full (threshold, high, samples: 1, version ")
    assert text.splitlines()[1].startswith('refused  b.yaml:1: kind "x" is unknown')


(REPEATED,) = (rule for rule in load_rules().rules if rule.name == "repeated-error")


@given(st.text(max_size=200))
def test_no_template_breaks_a_title(template: str) -> None:
    """Templates are made of log lines: braces, line breaks and NUL among them."""
    title = REPEATED.fill_title({"node": "blue", "count": "7", "within": "15 minutes", "template": template})
    assert title.startswith("Repeated error on blue")
    assert title.endswith(" (7 in 15 minutes)")
    assert not [character for character in title if unicodedata.category(character) in ("Cc", "Cf", "Cs")]
    assert "  " not in title
    assert len(title) <= MAX_TITLE


LONG = {
    "node": "checkout-eu-west-001", "baseline": "checkout-eu-west-002", "version": "2026.11.29-a1b2c3d-rc.1",
    "count": "12345", "total": "23456", "within": "30 minutes", "hours": "12", "times": "123", "rate": "100.0%",
    "rate_before": "12.3%", "threshold": "5%", "interval": "10-12 h", "share": "12.3%", "figure": "95th percentile",
    "value": "1,234", "expected": "123",
    **dict.fromkeys(MESSAGES, "order <num> of user <id> failed: the bank <*> said no to it at <path> line <num> " * 9),
}  # fmt: skip


@pytest.mark.parametrize("rule", load_rules().rules, ids=lambda rule: rule.name)
def test_a_title_names_the_node_in_a_hundred_characters_that_end_at_a_word(rule: Rule) -> None:
    for node in ("blue", LONG["node"]):
        title = rule.fill_title({**dict.fromkeys(rule.figures, "12"), **LONG, "node": node})

        assert title.startswith(rule.fill_what(LONG).partition(" differs")[0])
        assert len(title) <= MAX_TITLE
        assert rule.kind == "backlog" or node in title
        before, ellipsis, _ = title.partition("…")
        assert not ellipsis or before.split()[-1] in " ".join([node, *LONG.values()]).replace(":", " ").split()
        assert f"{{{'template'}}}" not in rule.title or "order <num>" in title
        assert "{" not in title


def test_a_title_of_ones_own_is_cut_too_and_says_what_it_is_about(tmp_path: Path) -> None:
    text = SOUND.replace("Disk full ({count}x)", "Disk full on {node}, which nobody may ignore any longer " * 3)
    (bare,) = load_rules(write(tmp_path, a=text)).rules
    (named,) = load_rules(write(tmp_path, a=text.replace("title:", 'what: "No space on {node:.3}"\ntitle:'))).rules

    title = bare.fill_title({"node": "blue"})
    assert title == "Disk full on blue, which nobody may ignore any longer Disk full on blue, which nobody may ignore…"
    assert (bare.fill_what({}), named.fill_what({"node": "blue"})) == ("Disk full", "No space on blu")
    assert bare.version == named.version


# -- rules of one's own, and what they may say -----------------------------------------------------------------------


def test_a_rule_of_ones_own_replaces_or_adds_and_a_refused_one_replaces_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        mine=SOUND,
        other=SOUND.replace("disk-full", "repeated-error").replace("severity: high", "severity: critical"),
        wrong=SOUND.replace("disk-full", "memory-warning").replace("count:", "cuont:"),
        gone=SOUND.replace("disk-full", "unusual-volume") + "enabled: false\n",
    )
    loaded = all_rules(tmp_path)
    by_name = {rule.name: rule for rule in loaded.rules}
    assert set(by_name) == {rule.name for rule in load_rules().rules} | {"disk-full"}
    assert (by_name["repeated-error"].kind, by_name["repeated-error"].severity) == ("threshold", "critical")
    assert by_name["memory-warning"].severity == "high"
    assert not by_name["unusual-volume"].enabled
    assert [str(problem).rpartition(": ")[0] for problem in loaded.problems] == [
        f"{tmp_path}/wrong.yaml:1", f"{tmp_path}/wrong.yaml:4",
    ]  # fmt: skip
    assert all_rules(None) == load_rules()


def test_a_forecast_of_no_ratio_rule_is_refused_with_its_place(tmp_path: Path) -> None:
    forecast = (BUILT_IN / "forecast-high-error-rate.yaml").read_text("utf-8")
    astray = forecast.replace("{rule: high-error-rate}", "{rule: repeated-error}")
    write(
        tmp_path,
        astray=astray,
        off=astray.replace("name: forecast-", "name: off-") + "enabled: false\n",
        mine=forecast.replace("name: forecast-", "name: my-"),
    )
    loaded = all_rules(tmp_path)
    assert [str(problem).partition(": ")[0] for problem in loaded.problems] == [f"{tmp_path}/astray.yaml:4"]
    by_name = {rule.name: rule for rule in loaded.rules}
    assert by_name["forecast-high-error-rate"] in load_rules().rules
    assert {"off-high-error-rate", "my-high-error-rate"} <= set(by_name)


def test_a_directory_of_ones_own_that_is_not_there_leaves_the_built_in_rules(tmp_path: Path) -> None:
    loaded = all_rules(tmp_path / "none")
    assert loaded.rules == load_rules().rules
    assert "is not a directory" in str(loaded.problems[0])


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("matches: ['(?=x)']", "is not a valid RE2 expression"),
        ("matches: ['(a']", "is not a valid RE2 expression"),
        (r"matches: ['(a)\1']", "is not a valid RE2 expression"),
        ("matches: ['(a{1000}){1000}']", "is not a valid RE2 expression"),
        ("matches: ['']", "must not be empty"),
        ("matches: []", "at least 1 item"),
    ],
)
def test_expressions_that_could_run_for_ever_are_refused_with_their_line(tmp_path: Path, key: str, reason: str) -> None:
    told = refusal(tmp_path, SOUND.replace("message: [ENOSPC]", key))
    assert told.startswith("wrong.yaml:3: ")
    assert reason in told


def test_an_expression_that_backtracks_elsewhere_takes_no_time(tmp_path: Path) -> None:
    samples = '- {level: error, message: "%s", fires: false}' % ("a" * 5000 + "b")
    text = (
        SOUND.split("samples:", maxsplit=1)[0].replace("message: [ENOSPC]", "matches: ['^(a+)+$']")
        + f"samples:\n  {samples}\n"
    )
    (rule,) = load_rules(write(tmp_path, a=text)).rules
    assert isinstance(rule, Threshold)
    assert rule.where.has_text("aaaa")


def test_expressions_and_texts_are_alternatives(tmp_path: Path) -> None:
    text = SOUND.replace("message: [ENOSPC]", r"message: [ENOSPC], matches: ['(?i)disk \d+% full']")
    (rule,) = load_rules(write(tmp_path, a=text)).rules
    assert isinstance(rule, Threshold)
    assert [rule.where.has_text(each) for each in ("enospc", "Disk 99% full", "disk x% full")] == [True, True, False]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("mode: loud", "'active' or 'shadow'"),
        ("for: 7m", "a multiple of 5m"),
        ("for: 7h", "up to 6h"),
        ("history: 30d", "from 1d to 14d"),
        ("nodes: []", "at least 1 item"),
        ("escalate: {load: {high: 3}}", "'count', 'rate' or 'times'"),
        ("escalate: {count: {worse: 3}}", "'low', 'medium', 'high' or 'critical'"),
        ("labels: {Team: shop}", "should match pattern"),
    ],
)
def test_what_a_rule_may_say_beside_its_condition_is_checked(tmp_path: Path, line: str, reason: str) -> None:
    assert reason in refusal(tmp_path, SOUND + line + "\n")


def test_nodes_are_chosen_by_name_and_by_label(tmp_path: Path) -> None:
    labels = {"web-1": {"role": "web", "color": "blue"}, "web-2": {"role": "web"}, "db": {"role": "db"}}
    write(tmp_path, a=SOUND + "nodes: [db, role=web]\n")
    by_name = {rule.name: rule for rule in all_rules(tmp_path, labels).rules}
    rule = by_name[load_rules(tmp_path).rules[0].name]

    assert [rule.is_about(node) for node in ("web-1", "web-2", "db", "web", "other")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert rule.version == load_rules(tmp_path).rules[0].version  # a node that gets a label changes no rule


def test_severity_follows_the_figures_and_never_falls_below_its_own(tmp_path: Path) -> None:
    (rule,) = load_rules(write(tmp_path, a=SOUND + "escalate: {count: {critical: 100, low: 3}}\n")).rules
    assert [rule.severity_of({"count": count}) for count in (3, 99, 100)] == ["high", "high", "critical"]


def test_a_rate_names_its_windows_with_their_least_lines(tmp_path: Path) -> None:
    rate = """\
name: many
kind: rate
rate: {per: node, at_least: {15m: 10, 7m: 3}}
severity: low
title: "{count}"
description: "{expected}"
"""
    assert "a multiple of 5m" in refusal(tmp_path, rate)
