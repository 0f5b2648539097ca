"""The sentence about a window: each node or, for many nodes, their sum and the nodes with errors."""

from __future__ import annotations

from fleexmon_pipeline.collection.account import MAX_NAMED, Account, NodeAccount
from fleexmon_pipeline_tests.stories import HOUR_OF_TEN


def account(nodes: int, failing: int) -> Account:
    found = Account(HOUR_OF_TEN)
    for number in range(nodes):
        errors = ["ConnectError: refused"] if number < failing else []
        found.of(f"n{number}").add(NodeAccount(f"n{number}", received=10, stored=10, errors=errors))
    return found


def test_each_of_a_few_nodes_is_named() -> None:
    assert account(2, 1).sentence() == ("2026-11-20 10:00-11:00: n0 10 new, ConnectError: refused; n1 10 new")


def test_many_nodes_are_summed_up_and_those_with_errors_named() -> None:
    said = account(1_000, 200).sentence()

    assert said.startswith("2026-11-20 10:00-11:00: 1,000 nodes 10,000 new; 200 with errors; n0 10 new, ConnectError")
    assert said.count("ConnectError") == MAX_NAMED
