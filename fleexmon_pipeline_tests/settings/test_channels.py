"""FLEEXMON_CHANNELS: valid values, and errors. No URL is ever shown."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from fleexmon_pipeline.settings import ChannelSettings, SettingError, channels, secret_variable

SLACK = "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/#alerts"
MAIL = "mailtos://user:geheim123@example.com?to=a@example.com,b@example.com"


def read(text: str, **environment: str) -> list[ChannelSettings]:
    return channels({"FLEEXMON_CHANNELS": text, **environment})


def test_no_variable_is_no_channel() -> None:
    assert channels({}) == []
    assert read("  \n ") == []


@pytest.mark.parametrize("separator", [",", ", ", "\n", "\n\n"], ids=["comma", "comma-space", "line", "blank-line"])
def test_urls_are_separated_by_commas_or_lines_and_may_hold_commas(separator: str) -> None:
    found = read(f"ops={SLACK}{separator}{MAIL}{separator}ntfy://topic")

    assert [(one.name, one.url) for one in found] == [("ops", SLACK), ("mailtos", MAIL), ("ntfy", "ntfy://topic")]
    assert {(one.severity, one.digest, one.nodes) for one in found} == {("high", False, ())}


def test_channels_without_a_name_get_that_of_their_scheme() -> None:
    assert [one.name for one in read("json://a/x,json://b/x,webhook+https://c/x")] == [
        "json",
        "json-2",
        "webhook-https",
    ]


FILE = """
channels:
  - name: ops
    url: ${OPS_URL}
    severity: critical
    nodes: [blue, green]
    quiet: "22:00-07:00 Europe/Berlin"
    digest: yes
  - name: hook
    url: webhook+https://example.com/${PART}
    secret: ${HOOK_SECRET}
"""


def test_a_file_says_severity_nodes_quiet_hours_and_digest(tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(FILE)

    ops, hook = read(str(file), OPS_URL=SLACK, PART="x", HOOK_SECRET="0123456789abcdef")

    assert (ops.url, ops.severity, ops.nodes, ops.digest) == (SLACK, "critical", ("blue", "green"), True)
    assert ops.quiet is not None
    assert (ops.quiet.begin, ops.quiet.end, ops.quiet.zone.key) == (time(22), time(7), "Europe/Berlin")
    assert (hook.url, hook.secret, hook.severity) == ("webhook+https://example.com/x", "0123456789abcdef", "high")


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        (datetime(2026, 1, 10, 21, 30, tzinfo=UTC), True),  # 22:30 in Berlin
        (datetime(2026, 7, 10, 20, 30, tzinfo=UTC), True),  # summer time: 22:30
        (datetime(2026, 1, 10, 20, 30, tzinfo=UTC), False),
        (datetime(2026, 1, 10, 5, 59, tzinfo=UTC), True),
        (datetime(2026, 1, 10, 6, 0, tzinfo=UTC), False),
    ],
    ids=["winter", "summer", "before", "morning", "end"],
)
def test_quiet_hours_follow_the_clocks_of_their_zone(tmp_path: Path, moment: datetime, quiet: bool) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(FILE)

    (ops, _) = read(str(file), OPS_URL=SLACK, PART="x", HOOK_SECRET="0123456789abcdef")

    assert ops.quiet is not None
    assert (moment in ops.quiet) == quiet


def test_the_secret_of_a_channel_has_a_variable_of_its_own() -> None:
    assert secret_variable("ops-web.2") == "FLEEXMON_CHANNEL_OPS_WEB_2_SECRET"
    (one,) = read("ops-web=webhook+https://x/y", FLEEXMON_CHANNEL_OPS_WEB_SECRET=" 0123456789abcdef ")
    assert one.secret == "0123456789abcdef"


def entry(**values: str) -> str:
    return "channels:\n  - " + "\n    ".join(f"{key}: {value}" for key, value in values.items())


SECRET = "geheim-4711-geheim"
WRONG_FILES = {
    "no-list": ("channels: 5", "must hold a list"),
    "other-key": (f"channels: []\nother: {SECRET}", "must hold a list"),
    "not-yaml": (f"channels: [{SECRET}", "is not YAML"),
    "no-name": (f"channels:\n  - url: json://{SECRET}/x", "has no name"),
    "bad-name": (entry(name="'a b'", url=f"json://{SECRET}/x"), "has a name that is not"),
    "no-scheme": (entry(name="ops", url=SECRET), '"ops": its url does not begin with a scheme'),
    "unset": (entry(name="ops", url="${NOT_SET}"), '"ops": its url refers to NOT_SET, which is not set'),
    "number": (entry(name="ops", url="4711"), '"ops": its url is not text'),
    "unknown": (entry(name="ops", url=f"json://{SECRET}/x", password=SECRET), '"ops" has unknown keys: password'),
    "severity": (entry(name="ops", url=f"json://{SECRET}/x", severity="urgent"), '"ops": severity must be one of'),
    "digest": (entry(name="ops", url=f"json://{SECRET}/x", digest="maybe"), '"ops": digest must be yes or no'),
    "nodes": (entry(name="ops", url=f"json://{SECRET}/x", nodes="{a: 1}"), '"ops": nodes must be a list'),
    "quiet": (entry(name="ops", url=f"json://{SECRET}/x", quiet="'25:00-07:00'"), '"ops": quiet must be a time range'),
    "empty-quiet": (
        entry(name="ops", url=f"json://{SECRET}/x", quiet="'07:00-07:00'"),
        '"ops": quiet ends at the same time',
    ),
    "zone": (entry(name="ops", url=f"json://{SECRET}/x", quiet="'22:00-07:00 Mars/X'"), '"Mars/X", which is not known'),
    "space": (entry(name="ops", url=f"'json://{SECRET} /x'"), '"ops": its url has a space'),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_what_is_wrong_in_a_file_is_named_and_no_url_shown(tmp_path: Path, name: str) -> None:
    text, reason = WRONG_FILES[name]
    file = tmp_path / "channels.yaml"
    file.write_text(text)

    with pytest.raises(SettingError) as error:
        read(str(file))

    assert reason in str(error.value)
    assert SECRET not in str(error.value)
    assert SECRET not in repr(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{SECRET}", "neither a list of URLs nor the path"),
        (f"ops={SECRET}\njson://x/y", "channel 1 is not a URL"),
        (f"a b=json://{SECRET}/y", "channel 1 has a name that is not"),
        (f"x=json://{SECRET}/y,x=json://{SECRET}/z", '"x" is the name of two channels'),
        ("/nowhere/channels.yaml", "cannot be read: No such file"),
        (",".join(f"json://{SECRET}/{n}" for n in range(51)), "51 channels"),
    ],
    ids=["text", "no-scheme", "name", "twice", "no-file", "many"],
)
def test_what_is_wrong_in_the_variable_is_named_and_no_url_shown(text: str, reason: str) -> None:
    with pytest.raises(SettingError) as error:
        read(text)

    assert reason in str(error.value)
    assert SECRET not in str(error.value)


def test_a_channel_shows_neither_its_url_nor_its_secret() -> None:
    (one,) = read(f"ops=webhook+https://example.com/{SECRET}", FLEEXMON_CHANNEL_OPS_SECRET=SECRET)

    assert SECRET not in repr(one)
    assert one.scheme == "webhook+https"
