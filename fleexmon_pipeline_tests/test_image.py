"""Files for a container and a service: the Dockerfile, compose.yaml, the systemd unit.

With FLEEXMON_TEST_IMAGE set to a base image that this machine has, the image is built from it and started, too: that
takes minutes, and needs podman.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleexmon_pipeline import __version__

PROJECT = Path(__file__).parent.parent
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
INSTRUCTIONS = [
    line.split(maxsplit=1) for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines() if re.match(r"[A-Z]+ ", line)
]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
UNIT = PROJECT / "packaging" / "fleexmon.service"
BASE = os.environ.get("FLEEXMON_TEST_IMAGE")


def every(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().split()
    copied = {source for rest in every("COPY") if "--from" not in rest for source in rest.split()[:-1]}

    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert [source for source in copied if not (PROJECT / source).exists()] == []
    assert not any(fnmatch.fnmatch(".env", line[1:]) for line in ignored if line.startswith("!"))


def test_no_link_of_the_package_leads_out_of_what_is_copied() -> None:
    copied = [PROJECT / source for rest in every("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    links = [file for file in (PROJECT / "fleexmon_pipeline").rglob("*") if file.is_symlink()]

    assert links  # dagster.yaml
    for link in links:
        assert any(link.resolve().is_relative_to(source.resolve()) for source in copied), link


def test_it_runs_without_root_and_holds_no_secret() -> None:
    assert every("USER") == ["10001:10001"]
    assert INSTRUCTIONS.index(["USER", "10001:10001"]) > max(
        place for place, (name, _) in enumerate(INSTRUCTIONS) if name == "RUN"
    )
    named = " ".join(every("ENV") + every("ARG"))
    assert not re.search(r"(?i)token|password|secret|_key|database_url", named)
    assert all("--require-hashes" in step for step in every("RUN") if "-r requirements.lock" in step)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (401, True), (500, False), (403, False)])
def test_its_health_is_that_of_the_first_page(status: int, healthy: bool) -> None:
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    (check,) = every("HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {**os.environ, "FLEEXMON_PORT": str(server.server_port)}
        done = subprocess.run(
            [sys.executable, *command[1:]], env=environment, capture_output=True, check=False, timeout=30
        )
        server.shutdown()

    assert command[0] == "python3"
    assert (done.returncode == 0) == healthy
    assert asked == ["/fleexmon"]


def test_compose_needs_no_setting_and_opens_no_port_to_others() -> None:
    services = COMPOSE["services"]

    assert services["fleexmon"]["image"] == f"fleexmon:{__version__}"
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not re.search(r"\$\{\w+(:?\?|\})", (PROJECT / "compose.yaml").read_text())  # each has a default
    assert services["fleexmon"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert used == set(COMPOSE["volumes"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
def test_the_unit_is_one_and_is_hardened(tmp_path: Path) -> None:
    there = tmp_path / "fleexmon"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={there}", UNIT.read_text()))

    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60
    )
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=False, timeout=60
    )

    assert "fleexmon.service" not in checked.stderr, checked.stderr
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", rated.stdout)
    assert exposure, rated.stdout + rated.stderr
    assert float(exposure[1]) < 2.5


@pytest.mark.skipif(not BASE or shutil.which("podman") is None, reason="FLEEXMON_TEST_IMAGE names no base image here")
def test_the_image_is_built_and_says_its_version() -> None:
    tag = "localhost/fleexmon-test"
    build = ["podman", "build", "--isolation=chroot", "--network=host", f"--build-arg=PYTHON_IMAGE={BASE}", "-t", tag]
    subprocess.run([*build, "."], cwd=PROJECT, check=True, timeout=1_800)

    root = subprocess.run(["podman", "image", "mount", tag], capture_output=True, text=True, check=True).stdout.strip()
    try:
        chroot = ["chroot", "--userspec=10001:10001", root, "/opt/fleexmon/bin/fleexmon", "--version"]
        said = subprocess.run(chroot, capture_output=True, text=True, check=True, timeout=60).stdout
    finally:
        subprocess.run(["podman", "image", "unmount", tag], check=True, capture_output=True)
    assert said.strip() == f"fleexmon {__version__}"
