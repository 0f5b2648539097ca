"""Nodes, sources, their credentials and limits: valid values, errors with examples, secrets never shown."""

from __future__ import annotations

import pytest

from fleexmon_pipeline import settings
from fleexmon_pipeline.settings.credentials import Credentials
from fleexmon_pipeline_tests.refusals import refusal

# -- nodes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "url", "hostname"),
    [
        ("10.0.0.5", "http://10.0.0.5:3000/api/logs", "10.0.0.5"),
        (" 10.0.0.5\n", "http://10.0.0.5:3000/api/logs", "10.0.0.5"),
        ("10.0.0.5:8080", "http://10.0.0.5:8080/api/logs", "10.0.0.5"),
        ("blue-1", "http://blue-1:3000/api/logs", "blue-1"),
        ("Blue_1.example.com.", "http://Blue_1.example.com.:3000/api/logs", "Blue_1.example.com."),
        ("blue.example.com:81", "http://blue.example.com:81/api/logs", "blue.example.com"),
        ("2001:db8::1", "http://[2001:db8::1]:3000/api/logs", "2001:db8::1"),
        ("[2001:db8::1]", "http://[2001:db8::1]:3000/api/logs", "2001:db8::1"),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080/api/logs", "2001:db8::1"),
        ("http://10.0.0.5", "http://10.0.0.5/api/logs", "10.0.0.5"),
        ("https://blue.example.com", "https://blue.example.com/api/logs", "blue.example.com"),
        ("https://blue.example.com/", "https://blue.example.com/api/logs", "blue.example.com"),
        ("https://lb.example.com:8443/blue", "https://lb.example.com:8443/blue/api/logs", "lb.example.com"),
        ("https://lb.example.com/blue//", "https://lb.example.com/blue/api/logs", "lb.example.com"),
        ("https://lb.example.com/blue/api/logs/", "https://lb.example.com/blue/api/logs", "lb.example.com"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080/api/logs", "2001:db8::1"),
    ],
)
def test_a_node_is_an_address_a_name_a_port_or_a_url(written: str, url: str, hostname: str) -> None:
    (node,) = settings.nodes({"BLUE_HOST": written})

    assert (node.name, node.url, node.hostname) == ("blue", url, hostname)


@pytest.mark.parametrize(
    "written",
    [
        "http//10.0.0.5", "10.0.0", "10.0.0.5.6", "1.2.3.999", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:65536",
        "blue:http", "blue:３０００", "blue:80:90", "[blue]:80", "[10.0.0.5:80", "::1]:80", "blue green", "blue/logs",
        "-blue", "blüe", "ftp://blue", "http://", "http:///logs", "http://blue:x", "http://blue:99999", "http://[::1",
        "http://a b", "https://blue/?token=x", "https://blue/#x", "https://blue?", "fe80::1%a/b", "http://blue\t.example.com",
        "=", ":",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_value_and_examples(written: str) -> None:
    told = refusal(settings.nodes, BLUE_HOST=written)

    assert told.variable == "BLUE_HOST"
    assert "is not a node" in str(told)
    assert "\nExamples: BLUE_HOST=10.0.0.5  BLUE_HOST=10.0.0.5:8080" in str(told)


@pytest.mark.parametrize(
    "written", ["https://me:hunter2@blue", "me:hunter2@blue:80", "http://me:hunt/er2?hunter2@blue"]
)
def test_a_password_in_an_address_is_refused_unseen(written: str) -> None:
    assert "hunter2" not in str(refusal(settings.nodes, BLUE_HOST=written))
    assert "hunter2" not in str(refusal(settings.nodes, LOG_SOURCES=f"w={written}"))
    assert "hunter2" not in str(refusal(settings.nodes, LOG_SOURCES=written))
    assert "hunter2" not in str(refusal(settings.genai, GENAI_AGENT_URL=written))


def test_sources_come_in_their_order_and_none_is_none() -> None:
    found = settings.nodes(
        {"GREEN_HOST": "10.0.0.6", "BLUE_HOST": "10.0.0.5", "LOG_SOURCES": " db-1 = 10.0.0.7:81 ,, lb=https://lb , "}
    )

    assert [(node.name, node.url) for node in found] == [
        ("blue", "http://10.0.0.5:3000/api/logs"),
        ("green", "http://10.0.0.6:3000/api/logs"),
        ("db-1", "http://10.0.0.7:81/api/logs"),
        ("lb", "https://lb/api/logs"),
    ]
    assert settings.nodes({}) == settings.nodes({"BLUE_HOST": " ", "LOG_SOURCES": ","}) == []


@pytest.mark.parametrize(
    "entry", ["10.0.0.7", "=10.0.0.7", "a b=10.0.0.7", "-a=10.0.0.7", f"{'x' * 64}=10.0.0.7", "é=h"]
)
def test_a_source_without_a_usable_name_is_refused(entry: str) -> None:
    told = refusal(settings.nodes, LOG_SOURCES=entry)

    assert "is not name=host" in str(told)
    assert "LOG_SOURCES=worker-1=10.0.0.7" in str(told)
    assert ("A name has" in str(told)) == ("=" in entry)


@pytest.mark.parametrize("value", ["foo+http://x", "user:secret@10.0.0.7", "loki+http://x", "10.0.0.7;b=10.0.0.8"])
def test_the_examples_of_a_source_are_sources(value: str) -> None:
    told = str(refusal(settings.nodes, LOG_SOURCES=f"web={value}"))

    examples = told.partition("Examples: ")[2].split("  ")
    assert len(examples) > 0
    for example in examples:
        variable, _, written = example.partition("=")
        assert variable == "LOG_SOURCES"
        assert settings.nodes({variable: written})[0].name == "web"


@pytest.mark.parametrize(
    ("environment", "variable", "reason"),
    [
        (
            {"BLUE_HOST": "10.0.0.5", "GREEN_HOST": "10.0.0.5:3000"},
            "GREEN_HOST",
            "blue and green have the same",
        ),
        ({"BLUE_HOST": "Blue:80", "GREEN_HOST": "http://blue"}, "GREEN_HOST", "same address"),
        ({"GREEN_HOST": "https://lb", "LOG_SOURCES": "a=https://lb:443/"}, "LOG_SOURCES", "green and a have the same"),
        ({"LOG_SOURCES": "a=h1,b=h1."}, "LOG_SOURCES", "a and b have the same"),
        ({"LOG_SOURCES": "a=h1,a=h2"}, "LOG_SOURCES", '"a" is used twice'),
        ({"BLUE_HOST": "h1", "LOG_SOURCES": "blue=h2"}, "LOG_SOURCES", '"blue" is used twice'),
    ],
)
def test_a_name_or_an_address_that_is_used_twice_is_refused(
    environment: dict[str, str], variable: str, reason: str
) -> None:
    told = refusal(settings.nodes, **environment)

    assert told.variable == variable
    assert reason in str(told)


def test_two_paths_of_one_proxy_are_two_nodes() -> None:
    assert len(settings.nodes({"BLUE_HOST": "https://lb/blue", "GREEN_HOST": "https://lb/green"})) == 2


@pytest.mark.parametrize(
    "own", ["127.0.0.1", "localhost", "127.0.0.1:3000", "http://localhost:3000/", "::1", "0.0.0.0"]
)
def test_the_uis_own_address_is_refused_and_another_port_is_not(own: str) -> None:
    assert "own UI" in str(refusal(settings.nodes, BLUE_HOST=own))
    assert refusal(settings.nodes, LOG_SOURCES=f"blue={own}").variable == "LOG_SOURCES"

    assert settings.nodes({"BLUE_HOST": own, "FLEEXMON_PORT": "3100"})
    assert "own UI" in str(refusal(settings.nodes, BLUE_HOST="127.0.0.1:3100", FLEEXMON_PORT="3100"))


# -- sources --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kind", "url"),
    [
        ("journal+http://10.0.0.5:19531", "journal", "http://10.0.0.5:19531/entries"),
        ("journal+http://10.0.0.5", "journal", "http://10.0.0.5:19531/entries"),
        ("journal+https://lb.example.com/blue/", "journal", "https://lb.example.com/blue/entries"),
        ('loki+http://loki:3100?query={app="shop"}', "loki",
         "http://loki:3100/loki/api/v1/query_range?query=%7Bapp%3D%22shop%22%7D"),
        ('loki+https://l/logs/?query=%7Ba=~".*@b"%2Cc="d"} |= "x y"', "loki",
         "https://l/logs/loki/api/v1/query_range?query=%7Ba%3D~%22.%2A%40b%22%2Cc%3D%22d%22%7D%20%7C%3D%20%22x%20y%22"),
        ("docker+http://10.0.0.5:2375?container=shop", "docker", "http://10.0.0.5:2375/containers/shop"),
        ("docker+http://10.0.0.5?container=shop", "docker", "http://10.0.0.5:2375/containers/shop"),
        ("docker+https://docker.example.com/?container=shop_web-1", "docker",
         "https://docker.example.com:2376/containers/shop_web-1"),
        ("docker+https://lb/docker/v1.41?container=shop", "docker", "https://lb/docker/v1.41/containers/shop"),
        ("docker+unix:///var/run/docker.sock?container=shop", "docker", "http://localhost/containers/shop"),
        ("10.0.0.5", "api", "http://10.0.0.5:3000/api/logs"),
    ],
)  # fmt: skip
def test_a_scheme_says_what_kind_of_source_a_node_is(written: str, kind: str, url: str) -> None:
    (node,) = settings.nodes({"BLUE_HOST": written})

    assert (node.kind, node.url) == (kind, url)
    assert "/" not in node.hostname


def test_the_socket_of_a_docker_source_is_its_address() -> None:
    found = settings.nodes(
        {
            "LOG_SOURCES": "a=docker+unix:///run/a.sock?container=shop,b=docker+unix:///run/b.sock?container=shop,"
            "c=docker+unix:///run/b.sock?container=web"
        }
    )

    assert [(node.hostname, node.socket, node.address) for node in found] == [
        ("localhost", "/run/a.sock", "unix:///run/a.sock:/containers/shop"),
        ("localhost", "/run/b.sock", "unix:///run/b.sock:/containers/shop"),
        ("localhost", "/run/b.sock", "unix:///run/b.sock:/containers/web"),
    ]
    twice = "a=docker+unix:///run/a.sock?container=shop,b=docker+unix:///run/a.sock?container=shop"
    assert "have the same address" in str(refusal(settings.nodes, LOG_SOURCES=twice))


@pytest.mark.parametrize(
    "written",
    [
        "docker+http://h:2375", "docker+http://h:2375?container=", "docker+http://h:2375?container=a/b",
        "docker+http://h:2375?container=a&b=c", "docker+unix:///run/d.sock", "docker+unix://run/d.sock?container=a",
        f"docker+unix:///{'x' * 107}?container=a", "docker+http://h:x?container=a", "docker+http://?container=a",
        "docker+tcp://h:2375?container=a",
    ],
)  # fmt: skip
def test_what_is_no_docker_source_is_refused_with_examples(written: str) -> None:
    assert "docker+unix:///var/run/docker.sock?container=shop" in str(refusal(settings.nodes, BLUE_HOST=written))


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("syslog+http://10.0.0.5", "syslog+http is not a known source"),
        ("journal+ftp://10.0.0.5", "journal+ftp is not a known source"),
        ("+http://10.0.0.5", "+http is not a known source"),
        ("journal://10.0.0.5", "is not a node"),
        ("journal+http://", "is not a node"),
        ("journal+http://h?x=1", "is not a node"),
        ("loki+http://loki:3100", "needs ?query={…}"),
        ("loki+http://loki:3100?query=", "needs ?query={…}"),
        ("loki+http://loki:3100?query=rate(x)", "needs ?query={…}"),
        ("loki+http://loki:3100?token=hunter2", "needs ?query={…}"),
        ('loki+http://loki:3100?query={a="b"}#x', "is not a node"),
        ("loki+http://?query={}", "is not a node"),
    ],
)
def test_a_source_that_is_not_known_or_not_whole_is_refused_with_examples(written: str, reason: str) -> None:
    told = refusal(settings.nodes, BLUE_HOST=written)

    assert told.variable == "BLUE_HOST"
    assert reason in str(told)
    assert "\nExamples: BLUE_HOST=" in str(told)
    assert "hunter2" not in str(told)


def test_two_queries_of_one_loki_are_two_nodes_and_the_same_one_is_not() -> None:
    shop, mail = 'loki+http://loki?query={app="shop"}', 'loki+http://loki?query={app="mail"}'

    assert len(settings.nodes({"LOG_SOURCES": f"shop={shop},mail={mail}"})) == 2
    assert "same address" in str(refusal(settings.nodes, LOG_SOURCES=f"shop={shop},again={shop}"))
    assert "write a comma in it as %2C" in str(
        refusal(settings.nodes, LOG_SOURCES='x=loki+http://l?query={a="b",c="d"}')
    )


# -- credentials ----------------------------------------------------------------------------------------------------

HTTPS = {"BLUE_HOST": "https://blue.example.com", "LOG_SOURCES": "worker-1=https://w1"}


def test_a_node_takes_the_credentials_of_its_name() -> None:
    blue, worker = settings.nodes(
        {**HTTPS, "BLUE_TOKEN": " hunter2\n", "WORKER_1_USER": "me", "WORKER_1_PASSWORD": "hunter3", "GREEN_TOKEN": "x"}
    )

    assert (blue.credentials.token, blue.credentials.user, blue.credentials.variables) == (
        "hunter2",
        None,
        ("BLUE_TOKEN",),
    )
    assert (worker.credentials.user, worker.credentials.password) == ("me", "hunter3")
    assert "hunter" not in repr([blue, worker, blue.credentials, worker.credentials])
    assert settings.nodes(HTTPS)[0].credentials == Credentials()


@pytest.mark.parametrize(
    ("given", "variable", "reason"),
    [
        ({"BLUE_TOKEN": "hunter2", "BLUE_USER": "me", "BLUE_PASSWORD": "hunter2"}, "BLUE_TOKEN", "Use one of the two"),
        ({"BLUE_USER": "hunter2"}, "BLUE_PASSWORD", "is not set, but BLUE_USER is"),
        ({"BLUE_PASSWORD": "hunter2"}, "BLUE_USER", "is not set, but BLUE_PASSWORD is"),
        ({"BLUE_TOKEN": "hunter2\r\nX-Evil: 1"}, "BLUE_TOKEN", "cannot be sent"),
        ({"BLUE_TOKEN": "hunter2 hunter2"}, "BLUE_TOKEN", "contains a space"),
        ({"BLUE_TOKEN": "hunter2é"}, "BLUE_TOKEN", "non-ASCII"),
        ({"BLUE_USER": "hunter2:x", "BLUE_PASSWORD": "hunter2"}, "BLUE_USER", "contains a colon"),
        ({"BLUE_CLIENT_KEY": "/etc/hosts"}, "BLUE_CLIENT_CERT", "is not set, but BLUE_CLIENT_KEY is"),
        ({"BLUE_CA": "/no/such/file"}, "BLUE_CA", '"/no/such/file" is not a readable file'),
        ({"BLUE_CLIENT_CERT": "/"}, "BLUE_CLIENT_CERT", "is not a readable file"),
        ({"WORKER_1_TOKEN": "hunter2", "LOG_SOURCES": "worker-1=https://a,worker.1=https://b"}, "WORKER_1_TOKEN",
         "could be meant for worker-1 or for worker.1"),
        ({"GH_TOKEN": "hunter2", "LOG_SOURCES": "gh=https://a"}, "LOG_SOURCES", "would be sent GH_TOKEN"),
        ({"POSTGRES_PASSWORD": "hunter2", "POSTGRES_USER": "me", "LOG_SOURCES": "Postgres=https://a"}, "LOG_SOURCES",
         "a node named Postgres would be sent POSTGRES_PASSWORD, which other programs use"),
        ({"GITHUB_TOKEN": "hunter2", "LOG_SOURCES": "github=https://a"}, "LOG_SOURCES", "would be sent GITHUB_TOKEN"),
        ({"POSTGRES_USER": "hunter2", "LOG_SOURCES": "postgres=https://a"}, "LOG_SOURCES", "sent POSTGRES_USER"),
        ({"BLUE_ORG_ID": "team-a"}, "BLUE_ORG_ID", "blue is not a loki+http(s) source"),
        ({"BLUE_ORG_ID": "a b\r\nX-Evil: 1"}, "BLUE_ORG_ID", "is not a Loki tenant"),
        ({"BLUE_HOST": "http://10.0.0.5", "BLUE_CA": "/etc/hosts"}, "BLUE_CA", "over plain http"),
        ({"BLUE_HOST": "10.0.0.5", "BLUE_TOKEN": "hunter2"}, "BLUE_TOKEN", "would be sent to 10.0.0.5 in the clear"),
        ({"BLUE_HOST": "journal+http://b", "BLUE_USER": "me", "BLUE_PASSWORD": "hunter2"}, "BLUE_PASSWORD", "clear"),
        ({"BLUE_HOST": "10.0.0.5", "BLUE_TOKEN": "hunter2", "FLEEXMON_ALLOW_HTTP_CREDENTIALS": "yes"},
         "FLEEXMON_ALLOW_HTTP_CREDENTIALS", '"yes" is neither 0 nor 1'),
    ],
)  # fmt: skip
def test_credentials_that_cannot_be_used_are_refused_unseen(given: dict[str, str], variable: str, reason: str) -> None:
    told = refusal(settings.nodes, **{**HTTPS, **given})

    assert told.variable == variable
    assert reason in str(told)
    assert "hunter2" not in str(told)


def test_a_node_may_have_any_name_while_no_credentials_are_meant() -> None:
    assert [node.name for node in settings.nodes({"LOG_SOURCES": "postgres=https://a,github=https://b"})] == [
        "postgres",
        "github",
    ]


def test_plain_http_with_credentials_is_for_this_machine_or_by_leave() -> None:
    leave = {"FLEEXMON_ALLOW_HTTP_CREDENTIALS": "1"}

    assert settings.nodes({"BLUE_HOST": "127.0.0.1:8080", "BLUE_TOKEN": "t"})[0].credentials.token == "t"
    assert settings.nodes({"BLUE_HOST": "10.0.0.5", "BLUE_TOKEN": "t", **leave})[0].credentials.token == "t"


def test_a_password_in_an_address_is_refused_with_the_variables_it_belongs_into() -> None:
    told = refusal(settings.nodes, LOG_SOURCES="worker-1=journal+https://me:hunter2@w1")

    assert "Set WORKER_1_USER and WORKER_1_PASSWORD, or WORKER_1_TOKEN" in str(told)
    assert "hunter2" not in str(told)


# -- limits ---------------------------------------------------------------------------------------------------------


def test_limits_have_defaults_and_reach_every_node() -> None:
    (node,) = settings.nodes({"BLUE_HOST": "10.0.0.5", "FLEEXMON_MAX_ANSWER_SECONDS": "60"})

    assert node.limits == settings.Limits(
        answer_bytes=4_000_000_000, answer_seconds=60, record_bytes=32_000_000, ratio=200
    )


@pytest.mark.parametrize(
    "variable",
    ["FLEEXMON_MAX_ANSWER_BYTES", "FLEEXMON_MAX_ANSWER_SECONDS", "FLEEXMON_MAX_RECORD_BYTES", "FLEEXMON_MAX_RATIO"],
)
@pytest.mark.parametrize("written", ["0", "-1", "4GB", "1e9", "9999999999999999"])
def test_a_limit_that_is_no_number_or_none_at_all_is_refused(variable: str, written: str) -> None:
    assert refusal(settings.limits, **{variable: written}).variable == variable
    assert refusal(settings.nodes, BLUE_HOST="h", **{variable: written}).variable == variable
