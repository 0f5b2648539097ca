"""Cache of plans: candidates that follow only from the names of a record's fields, computed once per set of names.

A logger writes millions of records with the same few sets of names. The candidates and their order are the same for all
of them; only the values differ. Memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

MAX_PLANS = 1_000  # names may be data: a record per user, with the user's name as a field
MAX_NAMES = 100
MAX_CHARACTERS = 4_000  # of all names

Plan = TypeVar("Plan")


def by_names(make: Callable[[tuple[str, ...]], Plan]) -> Callable[[Mapping[str, Any]], Plan]:
    """`make` as a function of a record: called once for each sequence of names, unless they are many or long."""
    plans: dict[tuple[str, ...], Plan] = {}

    def plan_of(fields: Mapping[str, Any]) -> Plan:
        names = tuple(fields)
        try:
            return plans[names]
        except KeyError:
            plan = make(names)
        if len(names) <= MAX_NAMES and sum(map(len, names)) <= MAX_CHARACTERS:
            if len(plans) >= MAX_PLANS:
                plans.clear()
            plans[names] = plan
        return plan

    return plan_of
