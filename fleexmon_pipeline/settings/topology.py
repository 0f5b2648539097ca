"""Dependencies between nodes: a small YAML file that people write.

Here: reading and checking FLEEXMON_TOPOLOGY.

    depends_on:
      web: [api, search]
      api: [db]
    unrelated:       # corrects relations that were learnt from errors
      web: [mailer]
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fleexmon_pipeline.settings.values import Environment, shown

MAX_BYTES = 1_000_000
EXAMPLE = "Example: `depends_on: {web: [api], api: [db]}`"


@dataclass(frozen=True)
class Topology:
    """`depends_on`: node → the nodes that it needs; `unrelated`: node → nodes whose errors are not related to its own,
    even if a relation was learnt; `problem`: why the file is not used, or None."""

    depends_on: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unrelated: Mapping[str, frozenset[str]] = field(default_factory=dict)
    problem: str | None = None


def topology(environment: Environment = os.environ) -> Topology:
    """The file that FLEEXMON_TOPOLOGY names; empty if it is not set.

    An unusable file is no error: then issues of nodes that depend on each other are separate incidents.
    """
    text = environment.get("FLEEXMON_TOPOLOGY", "").strip()
    if not text:
        return Topology()
    try:
        with Path(text).expanduser().open("rb") as file:
            return _read(file.read(MAX_BYTES + 1))
    except (OSError, RuntimeError, RecursionError, ValueError, yaml.YAMLError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())[:300]
        return Topology(problem=f"{shown(text)} cannot be used: {reason}. {EXAMPLE}")


def _read(text: bytes) -> Topology:
    if len(text) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    content: Any = yaml.safe_load(text)
    if not isinstance(content, dict) or not content or not set(content) <= {"depends_on", "unrelated"}:
        raise ValueError("it must have the keys depends_on, unrelated or both, each with a list of nodes for each node")
    return Topology(_nodes(content, "depends_on"), _nodes(content, "unrelated"))


def _nodes(content: Mapping[str, Any], key: str) -> dict[str, frozenset[str]]:
    listed = content.get(key, {})
    nodes: dict[str, frozenset[str]] = {}
    for node, others in listed.items() if isinstance(listed, dict) else [("every node", None)]:
        names = [others] if isinstance(others, str) else others
        if not isinstance(node, str) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{key} of {str(node)[:60]!r} must be a list of nodes")
        nodes[node] = frozenset(names)
    return nodes
