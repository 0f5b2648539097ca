"""Cases with a known truth, as they are published: `cases.yaml`, made by the demo and by a replay.

Here: reading them, and the question that each one is. What an answer is worth: `score.py`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from fleexmon_pipeline.genai.agent import Message, estimated_tokens
from fleexmon_pipeline.genai.cases.case import SYSTEM
from fleexmon_pipeline.genai.prompt import json_line


class Truth(msgspec.Struct, frozen=True):
    """`bystanders`: nodes that suffered and are not the cause; `distractors`: ids of lines about nothing but these."""

    node: str
    severity: str
    bystanders: list[str]
    distractors: list[int]


class ByRules(msgspec.Struct, frozen=True):
    """What the pipeline says without an agent: the node of the issue that came first, and the severity."""

    node: str | None
    severity: str


class KnownCase(msgspec.Struct, frozen=True):
    """`data`: the lines of a case, as they were sent."""

    name: str
    truth: Truth
    rules: ByRules
    nodes: list[str]
    data: list[dict[str, Any]]

    @property
    def messages(self) -> list[Message]:
        """The question, with the instructions of this version."""
        content = "\n".join(["Data:", *(json_line(item) for item in self.data)])
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]

    @property
    def ids(self) -> set[int]:
        return {item["id"] for item in self.data}

    @property
    def tokens(self) -> int:
        return estimated_tokens(message["content"] for message in self.messages)


@cache
def known_cases() -> tuple[KnownCase, ...]:
    text = (files("fleexmon_pipeline") / "genai" / "evaluation" / "cases.yaml").read_bytes()
    return tuple(msgspec.yaml.decode(text, type=list[KnownCase]))
