"""Variables: valid values, errors with reason and examples, secrets never shown."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings import SettingError
from fleexmon_pipeline_tests.refusals import Read, refusal


@pytest.mark.parametrize(
    "written", ["0", "-5", "1e3", "3651", "30 days", "1.5", "0x10", "٣٠", "1_0", "9999999999", "+7"]
)
def test_a_nonsense_retention_is_refused(written: str) -> None:
    told = refusal(settings.retention_days, LOG_RETENTION_DAYS=written)

    assert told.variable == "LOG_RETENTION_DAYS"
    assert written in str(told)
    assert "Examples: LOG_RETENTION_DAYS=30" in str(told)


@pytest.mark.parametrize(
    ("written", "days"), [("", 30), ("  ", 30), ("1", 1), (" 90 ", 90), ("3650", 3650), ("007", 7)]
)
def test_retention_is_a_plain_number_of_days(written: str, days: int) -> None:
    assert settings.retention_days({"LOG_RETENTION_DAYS": written}) == days
    assert settings.retention_days({}) == 30


@pytest.mark.parametrize("written", ["0", "-1", "1e3", "0.0001", "101", "a few", "1,5", "nan"])
def test_a_nonsense_budget_of_false_alarms_is_refused(written: str) -> None:
    told = refusal(settings.false_alarms_per_day, FLEEXMON_FALSE_ALARMS_PER_DAY=written)

    assert told.variable == "FLEEXMON_FALSE_ALARMS_PER_DAY"
    assert "Examples: FLEEXMON_FALSE_ALARMS_PER_DAY=0.25" in str(told)


@pytest.mark.parametrize(("written", "a_day"), [("", 0.25), (" 1 ", 1.0), ("0.05", 0.05), ("100", 100.0)])
def test_the_budget_of_false_alarms_is_a_plain_number(written: str, a_day: float) -> None:
    assert settings.false_alarms_per_day({"FLEEXMON_FALSE_ALARMS_PER_DAY": written}) == a_day


@pytest.mark.parametrize("written", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused(written: str) -> None:
    assert refusal(settings.ui_port, FLEEXMON_PORT=written).variable == "FLEEXMON_PORT"


def test_a_command_beside_up_knows_its_port(tmp_path: Path) -> None:
    here = {"FLEEXMON_HOME": str(tmp_path)}
    without = settings.page_url("now", environment=here)
    settings.port_note(here).write_text("3420", "ascii")

    assert without == "http://127.0.0.1:3000/fleexmon"
    assert settings.page_url("now", environment=here) == "http://127.0.0.1:3420/fleexmon"
    assert settings.page_url("now", environment={**here, "FLEEXMON_PORT": "3500"}) == "http://127.0.0.1:3500/fleexmon"
    assert settings.ui_port(here) == 3000  # of the next `up`


@pytest.mark.parametrize("written", ["localhost", "0.0.0.0.0", "10.0.0.1:80"])
def test_an_address_to_listen_on_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(settings.SettingError, match="is not an IP address"):
        settings.ui_listen({"FLEEXMON_LISTEN": written})
    assert settings.ui_listen({}) == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("fleexmon.example.com", "is not an http(s) URL"),
        ("ftp://fleexmon.example.com", "is not an http(s) URL"),
        ("https://", "is not an http(s) URL"),
        ("https://me:hunter2@fleexmon.example.com", "without user, password"),
        ("https://ops.example.com/fleexmon", "a path is not supported"),
        ("https://one.example.com,https://two.example.com", "is not an http(s) URL"),
    ],
)
def test_an_address_of_the_ui_that_is_none_is_refused(url: str, reason: str) -> None:
    told = refusal(settings.ui_url, FLEEXMON_UI_URL=url)

    assert told.variable == "FLEEXMON_UI_URL"
    assert reason in str(told)
    assert "Examples: FLEEXMON_UI_URL=https://fleexmon.example.com" in str(told)
    assert "hunter2" not in str(told)


def test_the_ui_has_the_address_that_people_open() -> None:
    assert settings.ui_url({}) is None
    assert settings.ui_url({"FLEEXMON_UI_URL": " https://fleexmon.example.com/ "}) == "https://fleexmon.example.com"
    assert settings.ui_url({"FLEEXMON_UI_URL": "http://10.0.0.7:8080"}) == "http://10.0.0.7:8080"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://agent.example.com", "would send the key in the clear"),
        ("http://10.0.0.9:8000", "would send the key in the clear"),
        ("agent.example.com", "is not an http(s) URL"),
        ("ftp://agent", "is not an http(s) URL"),
        ("https://agent:99999", "is not an http(s) URL"),
        ("https://[::1", "is not an http(s) URL"),
        ("https://agent/?agent=true", "without user, password, query"),
    ],
)
def test_an_agents_url_that_is_none_or_not_private_is_refused(url: str, reason: str) -> None:
    told = refusal(settings.genai, GENAI_AGENT_URL=url, GENAI_API_KEY="hunter2")

    assert told.variable == "GENAI_AGENT_URL"
    assert reason in str(told)
    assert "https://agent.example.com" in str(told)
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    "url", ["https://agent.example.com/", "http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:1"]
)
def test_an_agents_url_is_https_or_on_this_machine(url: str) -> None:
    found = settings.genai({"GENAI_AGENT_URL": f" {url} ", "GENAI_API_KEY": "hunter2"})

    assert found
    assert (found.url, found.api_key) == (url.rstrip("/"), "hunter2")
    assert "hunter2" not in repr(found)


def test_what_genai_may_cost_is_read_with_its_defaults() -> None:
    url = {"GENAI_AGENT_URL": "https://agent.example.com"}
    usual = settings.genai(url)
    assert usual == settings.GenAISettings("https://agent.example.com", None)

    found = settings.genai(
        {
            **url, "GENAI_MAX_CALLS_PER_HOUR": "1", "GENAI_MAX_CALLS_PER_DAY": "2", "GENAI_MAX_TOKENS_PER_HOUR": "3000",
            "GENAI_MAX_TOKENS_PER_DAY": "4000", "GENAI_MAX_TOKENS": "500", "GENAI_TIMEOUT": "60",
            "GENAI_PRICE_PER_MILLION_INPUT": "0.65", "GENAI_PRICE_PER_MILLION_OUTPUT": "2", "GENAI_REDACT_IP": "no",
        }
    )  # fmt: skip

    assert found == settings.GenAISettings(
        "https://agent.example.com", None, 1, 2, 3000, 4000, 500, 60, Decimal("0.65"), Decimal(2), redact_ip=False
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GENAI_MAX_CALLS_PER_HOUR", "0"),
        ("GENAI_MAX_TOKENS_PER_HOUR", "999"),
        ("GENAI_MAX_TOKENS_PER_DAY", "1e6"),
        ("GENAI_MAX_TOKENS", "100000"),
        ("GENAI_TIMEOUT", "0.5"),
        ("GENAI_PRICE_PER_MILLION_INPUT", "-1"),
        ("GENAI_PRICE_PER_MILLION_OUTPUT", "cheap"),
        ("GENAI_PRICE_PER_MILLION_CACHED_INPUT", "free"),
        ("GENAI_REDACT_IP", "maybe"),
    ],
)
def test_a_limit_or_price_of_genai_that_is_none_is_refused(variable: str, value: str) -> None:
    told = refusal(settings.genai, **{"GENAI_AGENT_URL": "https://agent.example.com", variable: value})

    assert told.variable == variable
    assert value in str(told)


def test_without_an_agent_there_is_none_whatever_else_is_set() -> None:
    assert settings.genai({"GENAI_API_KEY": "hunter2", "GENAI_MAX_CALLS_PER_DAY": "many"}) is None


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"ALERTS_REPO": "acme/alerts"}, "GH_TOKEN"),
        ({"GH_TOKEN": "hunter2"}, "ALERTS_REPO"),
        ({"ALERTS_REPO": "acme", "GH_TOKEN": "hunter2"}, "ALERTS_REPO"),
        ({"ALERTS_REPO": "https://hunter2@github.com/acme/alerts", "GH_TOKEN": "hunter2"}, "ALERTS_REPO"),
        ({"ALERTS_REPO": "acme/alerts", "GH_TOKEN": "hunter2", "GITHUB_API_URL": "http://ghe.corp"}, "GITHUB_API_URL"),
        ({"ALERTS_REPO": "acme/alerts", "GH_TOKEN": "hunter2", "GITHUB_API_URL": "ghe.corp"}, "GITHUB_API_URL"),
    ],
)
def test_half_of_what_github_needs_is_refused(environment: dict[str, str], variable: str) -> None:
    told = refusal(settings.github, **environment)

    assert told.variable == variable
    assert "hunter2" not in str(told)


def test_github_is_configured_by_two_variables_or_not_at_all() -> None:
    found = settings.github({"ALERTS_REPO": "acme/shop.alerts", "GH_TOKEN": "hunter2"})

    assert found
    assert (found.repo, found.token, found.api_url) == ("acme/shop.alerts", "hunter2", "https://api.github.com")
    assert "hunter2" not in repr(found)
    assert settings.github({}) is None


def test_home_is_absolute_and_a_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))

    assert settings.home({}) == tmp_path / ".fleexmon"
    assert settings.home({"FLEEXMON_HOME": "state here"}) == tmp_path / "state here"
    assert settings.home({"FLEEXMON_HOME": "~/state"}) == tmp_path / "me" / "state"
    assert refusal(settings.home, FLEEXMON_HOME="~nobody-of-this-name/x").variable == "FLEEXMON_HOME"


# -- anything -------------------------------------------------------------------------------------------------------

READ: list[tuple[str, Read]] = [
    ("BLUE_HOST", settings.nodes),
    ("LOG_SOURCES", settings.nodes),
    ("FLEEXMON_PORT", settings.ui_port),
    ("FLEEXMON_UI_URL", settings.ui_url),
    ("LOG_RETENTION_DAYS", settings.retention_days),
    ("FLEEXMON_FALSE_ALARMS_PER_DAY", settings.false_alarms_per_day),
    ("GENAI_AGENT_URL", settings.genai),
    ("ALERTS_REPO", settings.github),
    ("GITHUB_API_URL", settings.github),
    ("FLEEXMON_HOME", settings.home),
]
OTHERS = {"GITHUB_API_URL": {"ALERTS_REPO": "a/b", "GH_TOKEN": "t"}, "ALERTS_REPO": {"GH_TOKEN": "t"}}
PIECES = [
    "http://",
    "https://",
    "journal+",
    "loki+",
    "?query={",
    "}",
    "a=",
    "blue",
    ":",
    "@",
    "/",
    "[",
    "]",
    "::1",
    "10.0.0.5",
    "80",
    "%",
    "?",
    "#",
    "~",
    ",",
    " ",
]
ANYTHING = st.text(st.characters(exclude_characters="\0"), max_size=20) | st.lists(st.sampled_from(PIECES)).map("".join)


@hypothesis_settings(deadline=None)
@given(which=st.sampled_from(READ), text=ANYTHING)
def test_any_text_is_taken_or_refused(which: tuple[str, Read], text: str) -> None:
    variable, read = which
    try:
        found = read({variable: text, **OTHERS.get(variable, {})})
    except SettingError:
        return
    if isinstance(found, list):
        assert all(httpx.URL(node.url).host and "@" not in node.url for node in found)


@hypothesis_settings(deadline=None)
@given(
    which=st.sampled_from(READ),
    before=st.sampled_from(["", "http://", "https://", "journal+http://", "loki+https://", "a=https://", "a="]),
    odd=st.text(alphabet="/@:?#%[] é,", max_size=3),
    after=st.text(alphabet="/@:?#%[] é", max_size=3),
)
def test_no_message_shows_the_password_of_a_url(which: tuple[str, Read], before: str, odd: str, after: str) -> None:
    variable, read = which
    if variable in ("FLEEXMON_HOME", "LOG_SOURCES"):  # a path has no password; a comma ends an entry, and what it hid
        return
    try:
        read({variable: f"{before}me:{odd}hunter2{after}@blue", **OTHERS.get(variable, {})})
    except SettingError as error:
        assert "hunter2" not in str(error)
