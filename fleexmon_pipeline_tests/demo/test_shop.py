"""The demo shop: the same lines for each query, healthy most of the day, and every incident in every 24 hours."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleexmon_pipeline.demo import shop
from fleexmon_pipeline.demo.incidents import incidents
from fleexmon_pipeline.demo.page import Record

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUARTER = 15 * MINUTE

nodes = st.sampled_from(shop.NODES)
moments = st.datetimes(datetime(2026, 1, 2), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the timezone follows
lengths = st.timedeltas(timedelta(0), timedelta(minutes=7))


def told(seed: int, node: str, since: datetime, until: datetime) -> list[Record]:
    return list(chain.from_iterable(shop.lines(seed, node, since, until)))


def when(record: Record) -> datetime:
    return datetime.fromisoformat(record["timestamp"])


@lru_cache
def day(seed: int, node: str) -> list[Record]:
    return told(seed, node, MIDNIGHT, MIDNIGHT + DAY)


def within(records: list[Record], since: datetime, until: datetime) -> list[Record]:
    return [record for record in records if since <= when(record) < until]


def share_of_errors(records: list[Record]) -> float:
    return sum(record["level"] in ("error", "fatal") for record in records) / len(records)


def quarters(records: list[Record]) -> Iterator[list[Record]]:
    """The lines of each quarter of an hour of the day."""
    by_quarter: dict[datetime, list[Record]] = {MIDNIGHT + n * QUARTER: [] for n in range(96)}
    for record in records:
        moment = when(record)
        by_quarter[moment - (moment - MIDNIGHT) % QUARTER].append(record)
    return iter(by_quarter.values())


@given(st.integers(0, 5), nodes, moments, lengths, lengths)
def test_a_window_is_its_two_halves_whenever_they_are_asked_for(
    seed: int, node: str, since: datetime, first: timedelta, second: timedelta
) -> None:
    middle, until = since + first, since + first + second
    later = told(seed, node, middle, until)
    whole = told(seed, node, since, until)
    assert whole == told(seed, node, since, middle) + later
    assert all(since <= when(record) < until for record in whole)
    assert [when(record) for record in whole] == sorted(when(record) for record in whole)


def test_seeds_and_nodes_differ() -> None:
    logs = [told(seed, node, MIDNIGHT, MIDNIGHT + MINUTE) for seed in (1, 2) for node in shop.NODES]
    assert all(one != other for n, one in enumerate(logs) for other in logs[:n])


def test_the_shop_did_not_exist_for_ever() -> None:
    first = told(1, "blue", datetime(1, 1, 1, tzinfo=UTC), shop.OPENED + MINUTE)
    assert first == told(1, "blue", shop.OPENED, shop.OPENED + MINUTE) != []


@pytest.mark.parametrize("node", shop.NODES)
def test_lines_say_that_they_are_a_demo_and_name_nobody(node: str) -> None:
    reserved = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "0.0.0.0/32")]
    version = {"blue": "1.8.3", "green": "1.9.0"}[node]
    for record in day(1, node):
        assert record.keys() == {"timestamp", "level", "message", "metadata"}
        assert record["level"] in ("info", "warn", "error", "fatal")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"])
        assert record["metadata"]["demo"] is True
        assert record["metadata"]["version"] == version
        assert "{" not in record["message"]
        for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", record["message"]):
            assert any(ipaddress.ip_address(address) in network for network in reserved)
        assert record["message"].count("@") == record["message"].count("@example.com")


@pytest.mark.parametrize(("node", "least", "most"), [("blue", 40, 75), ("green", 18, 45)])
def test_the_day_has_a_rhythm(node: str, least: int, most: int) -> None:
    rates = {}  # lines a minute of the hours that have their usual traffic
    for since in (MIDNIGHT + n * HOUR for n in range(24)):
        louder = {incident.kind for incident in incidents(1, since, since + HOUR) if incident.node == node}
        if not louder & {"crawler", "database-failover"}:
            rates[since.hour] = len(within(day(1, node), since, since + HOUR)) / 60
    assert least < min(rates.values()) < max(rates.values()) < most
    assert max(rates.values()) > 1.3 * min(rates.values())


@pytest.mark.parametrize("node", shop.NODES)
def test_outside_of_incidents_less_than_one_percent_are_errors_and_no_rule_would_fire(node: str) -> None:
    minutes = Counter(when(record).replace(second=0, microsecond=0) for record in day(1, node))
    troubled = {
        incident.start + n * MINUTE
        for incident in incidents(1, MIDNIGHT, MIDNIGHT + DAY)
        if incident.node == node
        for n in range((incident.end - incident.start) // MINUTE)
    }
    healthy = [record for record in day(1, node) if when(record).replace(second=0, microsecond=0) not in troubled]

    assert len(troubled & minutes.keys()) < 0.35 * 1440
    assert 0 < share_of_errors(healthy) < 0.01
    assert not any(re.search(r"ECONNREFUSED|ETIMEDOUT|memory", record["message"]) for record in healthy)
    assert all(share_of_errors(quarter) < 0.05 for quarter in quarters(healthy) if len(quarter) > 100)


@pytest.mark.parametrize("seed", range(8))
def test_any_24_hours_have_every_incident_and_something_new_every_two_hours(seed: int) -> None:
    kinds = {"payment-refused", "database-failover", "memory-leak", "deploy", "inventory-timeout", "crawler"}
    for hour in range(24 * 5):
        until = MIDNIGHT + hour * HOUR + 17 * MINUTE
        found = [i for i in incidents(seed, until - DAY, until) if until - DAY <= i.start and i.end <= until]
        assert {incident.kind for incident in found} == kinds
        assert until - max(incident.start for incident in found) <= 2 * HOUR
        assert all(b.start - a.start <= 2 * HOUR for a, b in pairwise(found))


def test_incidents_come_at_other_moments_each_day() -> None:
    days = [
        [incident.start - midnight for incident in incidents(1, midnight, midnight + DAY)]
        for midnight in (MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)
    ]
    assert days[0] != days[1] != days[2]


# -- what the original's detectors would say, each computed in the plainest way ------------------------------------


@pytest.mark.parametrize("seed", [1, 7])
def test_error_rate_and_connection_failures_and_memory_warnings_pass_the_thresholds(seed: int) -> None:
    blue, green = day(seed, "blue"), day(seed, "green")
    unreachable = [r for r in blue if re.search("ECONNREFUSED|ETIMEDOUT", r["message"])]
    warnings = [sum("memory" in r["message"] and r["level"] == "warn" for r in quarter) for quarter in quarters(green)]

    assert max(share_of_errors(quarter) for quarter in quarters(blue)) > 0.2
    assert {r["level"] for r in unreachable} == {"warn", "error"}
    assert len(unreachable) > 100
    assert max(warnings) > 3


@pytest.mark.parametrize("seed", [1, 7])
def test_after_its_deploy_green_is_silent_and_then_repeats_an_error_with_ever_another_request(seed: int) -> None:
    green = day(seed, "green")
    for deploy in incidents(seed, MIDNIGHT, MIDNIGHT + DAY):
        if deploy.kind != "deploy":
            continue
        silent = within(green, deploy.start + MINUTE, deploy.start + 4 * MINUTE)
        errors = [r["message"] for r in within(green, deploy.start, deploy.end) if "reading 'sku'" in r["message"]]
        busiest = max(
            sum(
                "reading 'sku'" in r["message"]
                for r in within(green, deploy.start + start, deploy.start + start + QUARTER)
            )
            for start in (5 * MINUTE, 20 * MINUTE)
        )
        assert silent == []
        assert "Bye" in [r["message"] for r in within(green, deploy.start, deploy.start + MINUTE)]
        assert len(errors) == len(set(errors)) > 5
        assert busiest > 5


@pytest.mark.parametrize("seed", [1, 7])
def test_the_crawlers_hour_is_twice_the_five_before(seed: int) -> None:
    counts = Counter((when(record) - MIDNIGHT) // HOUR for node in shop.NODES for record in day(seed, node))
    spikes = [hour for hour in range(5, 24) if counts[hour] > 2 * sum(counts[hour - n] for n in range(1, 6)) / 5]
    crawlers = [i for i in incidents(seed, MIDNIGHT, MIDNIGHT + DAY) if i.kind == "crawler"]
    assert spikes == [(crawler.start - MIDNIGHT) // HOUR for crawler in crawlers]


def test_a_day_of_the_busy_node_has_tens_of_thousands_of_lines() -> None:
    assert len(day(1, "blue")) > 80_000
