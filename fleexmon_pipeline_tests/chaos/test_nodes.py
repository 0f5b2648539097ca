"""Faults of nodes: one of two nodes answers badly for a while, and then well."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from fleexmon_pipeline_tests.chaos.world import World
from fleexmon_pipeline_tests.collection.test_fetch_credentials import _Authority, _OneLine, _over_tls
from fleexmon_pipeline_tests.dagster_project import DAGSTERS_OWN
from fleexmon_pipeline_tests.node_server import NodeServer

pytestmark = [pytest.mark.filterwarnings(DAGSTERS_OWN), pytest.mark.usefixtures("ends_well")]

FAULTS: dict[str, Callable[[NodeServer], None]] = {
    "answers half, and closes": lambda node: node.answer(truncate_at=9_000),
    "hangs after half an answer": lambda node: node.answer(hang_after=9_000),
    "answers HTTP 500": lambda node: node.answer(status=500),
    "answers a page of HTML": lambda node: node.answer(body=b"<html><body>Welcome</body></html>"),
    "sends a decompression bomb": lambda node: node.answer(body=b"[" + b" " * 120_000_000 + b"]", gzip=True),
    "redirects to somewhere else": lambda node: node.answer(status=302, headers={"Location": "http://127.0.0.1:9/"}),
}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, marks=[] if number < 1 else [pytest.mark.chaos]) for number, name in enumerate(FAULTS)],
)
def test_a_node_answers_badly_and_then_well(world: World, fault: str) -> None:
    """A node"""
    FAULTS[fault](world.green)
    assert world.run()  # the other node goes on
    assert world.stored() > 0
    assert world.open()

    world.serve()


@pytest.mark.chaos
def test_a_node_without_tls(world: World) -> None:
    """A node responds without TLS although its address is https"""
    world.project.monkeypatch.setenv("GREEN_HOST", f"https://{world.green.host_port}")
    assert world.run()
    assert world.open()

    world.project.watch(world.blue, world.green)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["of an authority that nobody trusts", "of another host"])
def test_a_node_with_anothers_certificate(world: World, tmp_path: Path, fault: str) -> None:
    """A node shows another's certificate"""
    authority = _Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("node"))
    with _over_tls(context, _OneLine) as url:
        trusted = fault == "of another host"
        # The certificate is of localhost.
        world.project.monkeypatch.setenv("GREEN_HOST", url.replace("localhost", "127.0.0.1") if trusted else url)
        if trusted:
            world.project.monkeypatch.setenv("GREEN_CA", str(authority.path))
        assert world.run()
        lines = world.database.rows("""SELECT id FROM "LogEntry" WHERE source = 'green'""")
        errors = world.database.rows(
            """SELECT DISTINCT error FROM "LogCoverage" WHERE node = 'green' AND error <> ''"""
        )
    assert lines == []  # an impostor's
    assert "certificate" in str(errors).lower()
    assert world.open()

    world.project.monkeypatch.delenv("GREEN_CA", raising=False)
    world.project.watch(world.blue, world.green)
