"""Checks that need neither a database nor a network: homes, port, retention, limits, rules."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fleexmon_pipeline import settings
from fleexmon_pipeline.commands.doctor.finding import Environment, Finding
from fleexmon_pipeline.detection.rule_files import all_rules
from fleexmon_pipeline.wording import counted


def homes(environment: Environment, _: datetime) -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    home = settings.home(environment)
    yield Finding("FLEEXMON_HOME", "ok", f"{home}{'' if home.exists() else ' (`fleexmon up` creates it)'}")
    given = environment.get("DAGSTER_HOME")
    if not given:
        yield Finding(
            "DAGSTER_HOME",
            "off",
            f"not set: `fleexmon up` uses {home / 'dagster'}. Export it to use the dagster command.",
        )
    elif not Path(given).is_absolute() or not (Path(given) / "dagster.yaml").exists():
        yield Finding(
            "DAGSTER_HOME",
            "wrong",
            f"{given} is not an absolute path of a directory with a dagster.yaml. Unset it to use the default.",
        )
    else:
        yield Finding("DAGSTER_HOME", "ok", given)


def port(environment: Environment, _: datetime) -> Iterator[Finding]:
    port = settings.running_ui_port(environment)
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    yield Finding("FLEEXMON_PORT", "ok", f"127.0.0.1:{port}, {'in use' if taken else 'free'}")
    address, login = settings.ui_listen(environment), settings.login(environment)
    if not settings.is_loopback(address):
        risk = "" if login else " and has no login: anybody who reaches it can start runs"
        yield Finding("FLEEXMON_LISTEN", "ok", f"the UI listens on {address}{risk}")
    yield _login(login)
    url = settings.ui_url(environment)
    sentence = url or f"not set: the UI accepts requests for http://127.0.0.1:{port} only"
    yield Finding("FLEEXMON_UI_URL", "ok" if url else "off", sentence)


def _login(login: settings.Login | None) -> Finding:
    name = "FLEEXMON_LOGIN"
    if login is None:
        return Finding(name, "off", "not set: everyone who can reach the UI can use it")
    if isinstance(login, settings.ProxyHeader):
        networks = ", ".join(map(str, login.networks))
        return Finding(name, "ok", f"the header {login.name} names the user, in requests that come from {networks}")
    users = counted(len(settings.password_hashes(login)), "user")
    if login.path.stat().st_mode & 0o007:
        return Finding(name, "warn", f"{users}; every user of this machine may read the hashes: chmod o= {login.path}")
    return Finding(name, "ok", f"{users} with a password in {login.path}")


def retention(environment: Environment, _: datetime) -> Iterator[Finding]:
    days = settings.retention_days(environment)
    yield Finding("LOG_RETENTION_DAYS", "ok", f"{days} days")


def false_alarms(environment: Environment, _: datetime) -> Iterator[Finding]:
    allowed = settings.false_alarms_per_day(environment)
    yield Finding("FLEEXMON_FALSE_ALARMS_PER_DAY", "ok", f"at most {allowed:g} a day, all rules and nodes together")


def limits(environment: Environment, _: datetime) -> Iterator[Finding]:
    if (groups := settings.groups(environment)) > 1:
        yield Finding("FLEEXMON_GROUPS", "ok", f"{groups} groups of nodes, each collected by its own run")
    custom = settings.limits(environment)
    if custom == settings.Limits():
        return
    per_response = f"{custom.answer_bytes:,} bytes and {custom.answer_seconds} s"
    limits = f"{per_response} per response, {custom.record_bytes:,} bytes per record"
    yield Finding("FLEEXMON_MAX_*", "ok", limits)


def rules(environment: Environment, _: datetime) -> Iterator[Finding]:
    own = settings.rules_directory(environment)
    loaded = all_rules(own)
    for problem in loaded.problems:
        yield Finding("FLEEXMON_RULES" if own else "rules", "wrong", f"refused, the other rules run: {problem}")
    if own and not loaded.problems:
        yield Finding("FLEEXMON_RULES", "ok", f"{own}: {len(loaded.rules)} rules, including the built-in ones")
    topology = settings.topology(environment)
    if topology.problem:
        yield Finding("FLEEXMON_TOPOLOGY", "wrong", topology.problem)
    elif topology.depends_on:
        yield Finding("FLEEXMON_TOPOLOGY", "ok", f"{len(topology.depends_on)} nodes with what they depend on")
