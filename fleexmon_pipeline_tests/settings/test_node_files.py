"""FLEEXMON_NODES: nodes from a file or a directory, read again each time; errors name the file and the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleexmon_pipeline import settings
from fleexmon_pipeline_tests.refusals import refusal

SECRET = "hunter2-hunter2"
NODES = """
nodes:
  - name: web-1
    address: https://10.0.0.5
    labels: {role: web, color: blue}
    token_file: token
  - {name: db, address: "loki+https://loki.example.com?query={app=\\"db\\"}", org_id: team-a}
  - {name: cache, address: "10.0.0.7", labels: {role: cache}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(SECRET + "\n")
    return tmp_path


def test_a_file_names_nodes_with_labels_and_credentials_by_reference(here: Path) -> None:
    (here / "nodes.yaml").write_text(NODES)

    web, database, cache = settings.nodes({"FLEEXMON_NODES": "nodes.yaml"})

    assert (web.name, web.url, web.labels) == (
        "web-1", "https://10.0.0.5/api/logs", {"role": "web", "color": "blue"},
    )  # fmt: skip
    assert web.credentials.token == SECRET
    assert SECRET not in repr(web)
    assert (database.kind, database.credentials.org_id) == ("loki", "team-a")
    assert (cache.url, cache.labels) == ("http://10.0.0.7:3000/api/logs", {"role": "cache"})


def test_the_files_of_a_directory_come_after_the_variables_and_are_read_anew(here: Path) -> None:
    places = {"FLEEXMON_NODES": str(here / "nodes"), "BLUE_HOST": "10.0.0.1", "LOG_SOURCES": "other=10.0.0.2"}
    (here / "nodes").mkdir()
    for name in ("b", "a"):
        (here / "nodes" / f"{name}.yaml").write_text(f"nodes: [{{name: {name}, address: {name}.example.com}}]")
    (here / "nodes" / "README").write_text("not a list of nodes")
    assert [node.name for node in settings.nodes(places)] == ["blue", "other", "a", "b"]

    (here / "nodes" / "a.yaml").unlink()

    assert [node.name for node in settings.nodes(places)] == ["blue", "other", "b"]


def test_a_password_may_stand_in_a_variable_of_any_name(here: Path) -> None:
    (here / "nodes.yaml").write_text(
        "nodes: [{name: web, address: https://web, user: me, password_env: ANY_NAME, ca: token}]"
    )

    (node,) = settings.nodes({"FLEEXMON_NODES": "nodes.yaml", "ANY_NAME": SECRET})

    assert (node.credentials.user, node.credentials.password, node.credentials.ca) == ("me", SECRET, "token")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file: Input should be a valid dictionary"),
        ("nodes: 5", "nodes: Input should be a valid list"),
        ("nodes: [{name: web}]", "nodes.1.address: Field required"),
        ("nodes: [{name: web, address: web}, {name: 'a b', address: x}]", "nodes.2.name: String should match"),
        (f"nodes: [{{name: web, address: web, token: {SECRET}}}]", "nodes.1.token: Extra inputs are not permitted"),
        ("nodes: [{name: web, address: 'http://'}]", 'nodes.yaml, web: "http://" is not a node'),
        ("nodes: [{name: web, address: https://me:hunter2-hunter2@web}]", "would be visible"),
        ("nodes: [{name: web, address: a}, {name: web, address: b}]", 'nodes.yaml, web: "web" is used twice'),
        ("nodes: [{name: web, address: a}, {name: api, address: 'a:3000'}]", "web and api have the same address"),
        ("nodes: [{name: web, address: https://a, token_env: NONE}]", "web: the variable NONE is not set"),
        ("nodes: [{name: web, address: https://a, token_file: none}]", 'WEB_TOKEN_FILE "none" cannot be read'),
        ("nodes: [{name: web, address: http://10.0.0.1, token_file: token}]", "in the clear"),
        ("nodes: [{name: web, address: a, labels: {role: 5}}]", "nodes.1.labels.role: Input should be a valid string"),
        ("nodes: [{name: web, address: a, org_id: x}]", "is not a loki+http(s) source"),
        ("nodes: [", "cannot be used: while parsing"),
        ("nodes: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("nodes: \x00", "cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_node_and_the_reason(
    here: Path, content: str, reason: str
) -> None:
    (here / "nodes.yaml").write_text(content)

    told = str(refusal(settings.nodes, FLEEXMON_NODES="nodes.yaml"))

    assert reason in told
    assert SECRET not in told


@pytest.mark.parametrize("place", ["none.yaml", "none/", "a\0b", "~nobody-here/x"])
def test_a_place_that_is_not_there_is_refused(here: Path, place: str) -> None:
    assert "cannot be used" in str(refusal(settings.nodes, FLEEXMON_NODES=place))


def test_a_thousand_nodes_are_read(here: Path) -> None:
    lines = [f"  - {{name: n{place}, address: '10.0.{place // 250}.{place % 250}'}}" for place in range(1_000)]
    (here / "nodes.yaml").write_text("nodes:\n" + "\n".join(lines))

    assert len(settings.nodes({"FLEEXMON_NODES": "nodes.yaml"})) == 1_000
