"""Cases of the demo's shop behind a gateway.

The gateway calls blue and green: when one of them fails, it logs errors of its own, two minutes later, and half an hour
before it is started anew. It is never the cause. `python -m fleexmon_pipeline_tests.bench.cases` publishes them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fleexmon_pipeline.collection.collect import collect
from fleexmon_pipeline.database.connection import Connection, connect
from fleexmon_pipeline.demo import shop
from fleexmon_pipeline.demo.incidents import incidents as faults_of
from fleexmon_pipeline.demo.page import Record
from fleexmon_pipeline.demo.server import serve, stop
from fleexmon_pipeline.detection.detect import detect_hour
from fleexmon_pipeline.detection.rule_files import load_rules
from fleexmon_pipeline.genai.analyze import analyze_hour
from fleexmon_pipeline.genai.judgement import Asker
from fleexmon_pipeline.incidents.refresh import refresh_incidents
from fleexmon_pipeline.issues.lifecycle import open_subjects, reconcile
from fleexmon_pipeline.patterns.store import load_miner
from fleexmon_pipeline.settings import Topology, node_of
from fleexmon_pipeline.window import Window
from fleexmon_pipeline_tests.bench.case_documents import Fault, cases_of

# The first payment outage is more than an hour later; of its next ones the issue is already known.
DAY = Window(datetime(2026, 11, 20, 6, tzinfo=UTC), datetime(2026, 11, 20, 22, tzinfo=UTC))
MINUTE = timedelta(minutes=1)
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


def run(url: str, connection: Connection, seed: int) -> Iterator[dict[str, Any]]:
    rules = load_rules().rules
    faults = [
        Fault(fault.kind, fault.node, fault.start, fault.end, SEVERITIES[fault.kind])
        for fault in faults_of(seed, DAY.since, DAY.until)
        if fault.start >= DAY.since + timedelta(hours=1)
    ]
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
        yield from cases_of(connection, hour, faults, f"demo {seed}")
