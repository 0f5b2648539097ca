"""Traffic that moves between nodes is neither a silence nor a loss nor a flood."""

from __future__ import annotations

import pytest

from fleexmon_pipeline_tests.detection.conditions.world import (
    AN_HOUR,
    FIRST,
    NOW,
    SLOTS,
    Rows,
    added,
    fired,
    hits,
    node,
    row,
    scaled,
    silent,
    traffic,
)

ALL = traffic(80)


def switched(at: int = NOW) -> tuple[Rows, Rows]:
    """All traffic goes to one node, and from `at` on to the other, which never logged a line before."""
    return scaled(ALL, 0, at, SLOTS), added(silent(), ALL, at, SLOTS)


def test_the_first_switch_to_a_silent_colour_is_no_issue_of_either() -> None:
    live, idle = (node(rows, name) for rows, name in zip(switched(), ("live", "idle"), strict=True))
    assert fired(live, [idle]) == set()
    assert fired(idle, [live]) == set()
    assert fired(live) == {"silent-node"}, "alone it would be one"


def test_a_node_that_is_drained_step_by_step_is_no_issue() -> None:
    half = traffic(40)
    leaving, staying = half, traffic(40, seed=2)
    for step, share in enumerate((0.6, 0.3, 0.0)):
        begin, end = NOW + 4 * step, NOW + 4 * step + 4 if share else SLOTS
        staying = added(
            staying, {key: half[key] - left for key, left in scaled(half, share, begin, end).items()}, begin, end
        )
        leaving = scaled(leaving, share, begin, end)
    assert fired(node(leaving), [node(staying, "green")]) == set()


def test_traffic_of_one_that_went_to_two_is_no_loss() -> None:
    gone = traffic(60)
    shares = [scaled(gone, 0.5, NOW, SLOTS) for _ in range(2)]
    peers = [
        node(added(traffic(60, seed=seed), share, NOW, SLOTS), f"n{seed}")
        for seed, share in zip((3, 4), shares, strict=True)
    ]
    assert "lines-missing" not in fired(node(scaled(gone, 0.1, NOW, SLOTS)), peers)


def test_a_peer_that_is_only_as_busy_as_ever_explains_nothing() -> None:
    busy = node(traffic(100, seed=5), "green")
    assert fired(node(scaled(ALL, 0, NOW, SLOTS)), [busy]) == {"silent-node"}
    assert fired(node(scaled(ALL, 0.15, NOW, SLOTS)), [busy]) == {"lines-missing"}


def test_more_lines_of_another_service_explain_nothing() -> None:
    other: Rows = {("indexed", "info"): traffic(40, seed=6)["served", "info"]}
    other["indexed", "info"][NOW:] *= 6
    assert fired(node(scaled(ALL, 0, NOW, SLOTS)), [node(other, "search")]) == {"silent-node"}


@pytest.mark.parametrize("slots", [1, 2])
def test_a_restart_is_no_issue(slots: int) -> None:
    restarted = scaled(ALL, 0, NOW, NOW + slots)
    row(restarted, "listening", "info")[NOW + slots] = 1
    found = hits(node(restarted), first_seen={"listening": NOW + slots})
    assert {rule for rule, slot in found if slot >= slots} == set()


def test_what_a_node_lost_is_looked_for_in_the_first_half_hour_only() -> None:
    """Hours later a peer is busier for other reasons."""
    later = added(traffic(40, seed=8), ALL, NOW + AN_HOUR, SLOTS)
    assert fired(node(scaled(ALL, 0, NOW, SLOTS)), [node(later, "green")]) == {"silent-node"}


@pytest.mark.parametrize("width", [1, 5, AN_HOUR])
def test_windows_may_be_cut_anywhere(width: int) -> None:
    live, idle = (node(rows, name) for rows, name in zip(switched(NOW - 7), ("live", "idle"), strict=True))
    falls = node(scaled(ALL, 0.15, NOW + 3, NOW + 15))
    quiet = node(scaled(ALL, 0, NOW + 3, NOW + 15))
    busy = node(traffic(100, seed=5), "green")
    begins, until = range(NOW - AN_HOUR, NOW + 2 * AN_HOUR, width), NOW + 2 * AN_HOUR
    assert FIRST % AN_HOUR == 0
    for one, others in ((live, [idle]), (idle, [live]), (falls, [busy]), (quiet, [busy])):
        together = hits(one, others, until=until)
        parts = [hits(one, others, since=begin, until=min(begin + width, until)) for begin in begins]
        assert set().union(*parts) == together
        assert bool(together) == (others == [busy])
