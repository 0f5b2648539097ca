"""Makes the published cases of `fleexmon genai eval`: the demo's shop behind a gateway, through the whole pipeline.

`python -m fleexmon_pipeline_tests.bench.cases SEED… > fleexmon_pipeline/genai/evaluation/cases.yaml`. The gateway calls
blue and green: when one of them fails, it logs errors of its own, two minutes later, and half an hour before it is
started anew. It is never the cause. What the agent gets of each incident is what `genai/cases/` makes of it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import yaml

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.demo import shop
from fleexmon_pipeline.demo.incidents import Incident as Fault
from fleexmon_pipeline.demo.incidents import incidents as faults_of
from fleexmon_pipeline.demo.page import Record
from fleexmon_pipeline.demo.server import serve, stop
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.genai.analyze import analyze_hour
from fleexmon_pipeline.genai.cases.case import Case
from fleexmon_pipeline.genai.cases.read import IncidentIssue, issue_to_explain, read_case, read_issues
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.incidents.read import Incident, list_incidents
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.lifecycle import open_subjects, reconcile
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.settings import Topology, node_of
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.bench.place import empty, place

# The first payment outage is more than an hour later; of its next ones the issue is already known.
DAY = Window(datetime(2026, 11, 20, 6, tzinfo=UTC), datetime(2026, 11, 20, 22, tzinfo=UTC))
MINUTE = timedelta(minutes=1)
LATE = timedelta(minutes=30)
SEVERITIES = {  # of the truth: what a person on call would say
    "payment-refused": "high", "database-failover": "critical", "memory-leak": "high", "deploy": "high",
    "inventory-timeout": "medium", "crawler": "medium",
}  # fmt: skip
NOTICED_AFTER = {"payment-refused": 2, "database-failover": 2, "deploy": 6, "inventory-timeout": 2}  # minutes
NOTICED = {  # what the gateway says of each, with the node that it calls
    "payment-refused": "upstream {} answered 503 for POST /checkout after {}ms, giving up",
    "database-failover": "order is queued: upstream {} rejected the write after {}ms",
    "deploy": "response of {} cannot be read after {}ms: unexpected end of input",
    "inventory-timeout": "stock unknown, shown as sold out: no answer of {} in {}ms",
}


def gateway(seed: int, since: datetime, until: datetime) -> Iterator[list[Record]]:
    moment = since.replace(second=0, microsecond=0)
    while moment < until:
        found = [record for record in _minute(seed, moment) if since <= _time(record) < until]
        yield sorted(found, key=_time)
        moment += MINUTE


def _minute(seed: int, moment: datetime) -> Iterator[Record]:
    rng = random.Random(f"{seed}/gateway/{moment}")

    def say(level: str, message: str) -> Record:
        at = moment + timedelta(seconds=rng.random() * 59)
        return {"timestamp": at.isoformat(timespec="milliseconds"), "level": level, "message": message, "metadata": {}}

    for _ in range(rng.randrange(12, 25)):
        yield say(
            "info", f"proxied GET /shop/{rng.randrange(400)} to {rng.choice(shop.NODES)} in {rng.randrange(90)}ms"
        )
    for fault in faults_of(seed, moment - timedelta(hours=2), moment + timedelta(hours=2)):
        if fault.kind not in NOTICED:
            continue
        if moment == fault.start.replace(second=0, microsecond=0) - 25 * MINUTE:
            yield say("info", f"Starting gateway 2.3.{rng.randrange(9)} build {rng.randrange(1000, 9999)}")
        if fault.start + NOTICED_AFTER[fault.kind] * MINUTE <= moment < fault.end:
            for _ in range(rng.randrange(4, 9)):
                yield say("error", NOTICED[fault.kind].format(fault.node, rng.randrange(20, 900)))


def _time(record: Record) -> datetime:
    return datetime.fromisoformat(record["timestamp"])


def make(seeds: Sequence[int]) -> list[dict[str, Any]]:
    made = []
    with place() as url:
        for seed in seeds:
            empty(url)
            with connect(url) as connection:
                made += list(_run(url, connection, seed))
    return list(_chosen(made))


def _chosen(made: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All in which a bystander could be blamed, and one of each kind without."""
    kinds = set()
    for case in made:
        kind = case["name"].partition(" ")[0]
        if case["truth"]["bystanders"] or kind not in kinds:
            yield case
        kinds.add(kind if not case["truth"]["bystanders"] else None)


def _run(url: str, connection: Connection, seed: int) -> Iterator[dict[str, Any]]:
    rules = load_rules().rules
    sources = {name: partial(shop.lines, seed, name) for name in shop.NODES} | {"gateway": partial(gateway, seed)}
    with ExitStack() as opened:
        running = [serve(name, source, now=lambda: DAY.until) for name, source in sources.items()]
        opened.callback(stop, running)
        nodes = [node_of("LOG_SOURCES", one.name, f"http://127.0.0.1:{one.port}") for one in running]
        collect(DAY, nodes, lambda: connect(url), now=DAY.until, run_id="cases")
    miner = load_miner(connection)
    for hour in DAY.hours():
        analyze_hour(
            connection, hour, miner, Asker(None),
            ended_by=DAY.until, known_until=hour.until, now=DAY.until, deadline_seconds=0,
        )  # fmt: skip
        detect_hour(connection, hour, rules, now=hour.until, known_until=hour.until, live="blue")
        reconcile(connection, open_subjects(connection), now=hour.until, since=hour.since)
        refresh_incidents(connection, Topology({"gateway": frozenset({"blue", "green"})}))
        yield from _cases(connection, seed, hour)


def _cases(connection: Connection, seed: int, hour: Window) -> Iterator[dict[str, Any]]:
    """As an agent would be asked at the end of the hour in which the incident began."""
    faults = [fault for fault in faults_of(seed, DAY.since, DAY.until) if fault.start >= DAY.since + timedelta(hours=1)]
    found = [one for one in list_incidents(connection, now=hour.until) if one.started_at in hour]
    for incident in sorted(found, key=lambda incident: incident.started_at):
        issues = read_issues(connection, incident)
        behind = [fault for fault in faults if _belongs(incident, fault)]
        if len(behind) != 1 or issue_to_explain(incident, issues) is None:
            print(f"left out ({len(behind)} faults): {incident.title}", file=sys.stderr)
            continue
        case = read_case(connection, incident, issues, redact_ip=True)
        yield _document(seed, behind[0], incident, issues, case)


def _belongs(incident: Incident, fault: Fault) -> bool:
    return fault.node in incident.nodes and (
        fault.start - timedelta(minutes=5) <= incident.started_at <= fault.end + LATE
    )


def _document(
    seed: int, fault: Fault, incident: Incident, issues: Sequence[IncidentIssue], case: Case
) -> dict[str, Any]:
    items = [yaml.safe_load(line) for line in case.messages[1]["content"].split("\n")[1:]]
    bystanders = [node for node in incident.nodes if node != fault.node]
    first = issues[0].nodes
    return {
        "name": f"{fault.kind} on {fault.node}, demo {seed}, {fault.start:%H:%M}",
        "truth": {
            "node": fault.node, "severity": SEVERITIES[fault.kind], "bystanders": bystanders,
            "distractors": [item["id"] for item in items if _is_only_about(item, bystanders)],
        },
        "rules": {"node": first[0] if len(first) == 1 else None, "severity": incident.severity},
        "nodes": list(incident.nodes),
        "data": items,
    }  # fmt: skip


def _is_only_about(item: dict[str, Any], bystanders: Sequence[str]) -> bool:
    nodes = item.get("nodes") or ([item["node"]] if "node" in item else [])
    return bool(nodes) and "incident" not in item and set(nodes) <= set(bystanders)


if __name__ == "__main__":
    print("# Made by fleexmon_pipeline_tests/bench/cases.py from the demo's shop; redacted as everything that is sent.")
    cases = make([int(seed) for seed in sys.argv[1:]])
    yaml.safe_dump(cases, sys.stdout, sort_keys=False, width=1_000, allow_unicode=True)
