"""The real thing for real minutes: `fleexmon up`, its daemon and schedules, and kill -9 of whatever makes it up.

Here: who is killed when, and waiting until all is made good. Nodes go down and answer badly as in a simulation, but no
lines come late and no clock is wrong: to ask for those again takes the product 70 minutes.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from fleexmon_pipeline.database.connection import connect
from fleexmon_pipeline.embedded.server import EmbeddedServer
from fleexmon_pipeline.window import HOUR, SLOT, Window, ceil, floor
from fleexmon_pipeline_tests.running_product import Product
from fleexmon_pipeline_tests.soak.compare import compare
from fleexmon_pipeline_tests.soak.faults import Plan, draw
from fleexmon_pipeline_tests.soak.log import Log
from fleexmon_pipeline_tests.soak.nodes import SoakNode
from fleexmon_pipeline_tests.soak.simulate import Outcome

# By a part of their command line. The daemon starts no process of its own, the code server one for each run.
DAEMON, CODE_SERVER, RUN, DATABASE = "dagster-daemon run", "dagster api grpc", "spawn_main", "bin/postgres"
NAMES = {DAEMON: "daemon", CODE_SERVER: "code server", RUN: "runs", DATABASE: "database"}
FOR_A_RUN = 25.0  # seconds after a tick within which its run has begun, on a slow machine too
MAX_RUN_SECONDS = 5.0  # seconds, the start of its process among them
MAX_SERVERS_PER_HOUR = 4  # in an hour; after 6 `up` takes it that something is wrong, and ends
TO_MAKE_GOOD = timedelta(minutes=45)  # a run that lost its code server holds the ticks for up to 30
_OPEN = """SELECT count(*) AS whole FROM "LogCoverage"
  WHERE slot_is_known(status) AND slot >= %s AND slot < %s AND node = ANY(%s)"""


def live(
    seed: int,
    length: timedelta,
    names: Sequence[str],
    a_minute: int,
    every: int,
    *,
    told: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Watch nodes for so long under kills, then until nothing is missing; then compare."""
    begun = time.monotonic()
    window = Window(floor(_now(), SLOT), ceil(_now() + length, SLOT))
    drawn = draw(seed, window, names)
    spells = tuple(spell for spell in drawn.spells if spell.who in names)
    plan = replace(drawn, spells=spells, skews={}, database_kills=frozenset(), run_killed=0.0, run_doubled=0.0)
    told(str(plan))
    logs = [Log(name, seed, a_minute, window, (), every, late_until=window.since) for name in names]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleexmon-live-"))) / "home"
        nodes = {log.node: SoakNode(log, plan, None) for log in logs}
        for node in nodes.values():
            node.start()
            stack.callback(node.kill)
        product = Product(home, **_variables(nodes))
        stack.callback(product.kill)
        stack.callback(lambda: told("\n".join(product.said().splitlines()[-40:])))
        product.start("--no-backfill")
        told(f"{_now():%H:%M:%S} up, {product.url}")
        events, dice = Counter[str](), random.Random(seed)
        for moment, target in _kills(plan):
            _wait(moment, plan, nodes)
            victim = _kill(product, target, dice)
            if victim:
                events[f"{NAMES[target]} killed -9"] += 1
            told(f"{_now():%H:%M:%S} {NAMES[target]} killed -9: {victim or 'there was none'}")
        url = EmbeddedServer(home).url()
        slots = len(names) * (window.length // SLOT)
        while (whole := _whole(url, window, names)) < slots and _now() < window.until + TO_MAKE_GOOD:
            _wait(_now() + timedelta(seconds=5), plan, nodes)
        told(f"{_now():%H:%M:%S} {whole} of {slots} slots are whole; comparing …")
        compared = time.monotonic()
        with connect(url) as connection:
            found = compare(connection, logs, window)
            runs = connection.execute('SELECT count(DISTINCT run) AS runs FROM "LogCoverage"').fetchone()
        events["runs that left coverage"] = runs["runs"] if runs else 0
        for node in nodes.values():
            events.update({**node.counts(), "nodes down for a while": node.downs})
        now = time.monotonic()
        unfinished = [] if whole == slots else [f"{slots - whole} slots"]
        return Outcome(found, window, events, now - begun, now - compared, unfinished)


def _now() -> datetime:
    return datetime.now(UTC)


def _variables(nodes: dict[str, SoakNode]) -> dict[str, str]:
    places = {name: f"127.0.0.1:{node.port}" for name, node in nodes.items()}
    more = ",".join(f"{name}={place}" for name, place in places.items() if name not in ("blue", "green"))
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {"BLUE_HOST": places["blue"], "GREEN_HOST": places["green"], "LOG_SOURCES": more, **kept}


def _kills(plan: Plan) -> Iterator[tuple[datetime, str]]:
    """One soon after each tick, when a run is under way, and one between two of them."""
    dice = random.Random(plan.seed)
    at_ticks: list[str] = []
    between: list[str] = []
    servers: list[datetime] = []
    tick = plan.window.since + SLOT
    while tick < plan.window.until:
        at_ticks = at_ticks or dice.sample([RUN, RUN, RUN, DATABASE, DAEMON, CODE_SERVER], 6)
        between = between or dice.sample([DATABASE, DATABASE, DAEMON, CODE_SERVER], 4)
        for kinds, least, most in ((at_ticks, 1, 6), (between, 60, 240)):
            moment, target = tick + timedelta(seconds=dice.uniform(least, most)), kinds.pop()
            if target in (DAEMON, CODE_SERVER):
                if sum(moment - earlier < HOUR for earlier in servers) == MAX_SERVERS_PER_HOUR:
                    continue
                servers.append(moment)
            yield moment, target
        tick += SLOT


def _wait(moment: datetime, plan: Plan, nodes: dict[str, SoakNode]) -> None:
    """Until then; meanwhile nodes go down and come back."""
    while True:
        now = _now()
        for name, node in nodes.items():
            node.kill() if plan.spell(name, now) == "down" else node.start()
        if now >= moment:
            return
        time.sleep(min(0.5, max(0.0, (moment - now).total_seconds())))


def _kill(product: Product, target: str, dice: random.Random) -> str:
    """The number of what was killed; "" where there was none. A run is waited for, and killed in the middle."""
    deadline = time.monotonic() + (FOR_A_RUN if target == RUN else 0.0)
    while not (found := [number for number, command in product.processes().items() if target in command]):
        if time.monotonic() > deadline:
            return ""
        time.sleep(0.05)
    if target == RUN:
        time.sleep(dice.uniform(0.0, MAX_RUN_SECONDS))
    number = _postmaster(product) if target == DATABASE else min(found)
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return ""
    return str(number)


def _postmaster(product: Product) -> int:
    return int((product.home / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def _whole(url: str, window: Window, names: Sequence[str]) -> int:
    try:
        with connect(url) as connection:
            row = connection.execute(_OPEN, [window.since, window.until, list(names)]).fetchone()
            return int(row["whole"]) if row else 0
    except psycopg.OperationalError:
        return 0  # `up` starts it again
