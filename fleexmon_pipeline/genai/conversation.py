"""One question to the agent, and once more if its answer cannot be used.

Here: asking, reading and repairing, whatever the question is about. Which questions: `judgement.py`, `cases/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleexmon_pipeline.genai.agent import Agent, Message, Reply, estimated_tokens
from fleexmon_pipeline.genai.answer import AnswerError, clean
from fleexmon_pipeline.genai.ledger import Call
from fleexmon_pipeline.genai.prompt import repair

MIN_CALL_SECONDS = 2.0  # with less left, a call would only time out

Answer = TypeVar("Answer")


@dataclass
class Talk:
    """How a run talks to the agent. `left`: seconds; `calls` and tokens: of answers, usable or not."""

    agent: Agent
    left: Callable[[], float]
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def converse(
        self, messages: Sequence[Message], call: Call, parse: Callable[[Reply], Answer], *, form: str
    ) -> tuple[Reply, Answer]:
        """The reply and what `parse` makes of it. Whatever fails is recorded. Raises AgentError and AnswerError.

        `form`: what an answer has to look like, for the second try.
        """
        sent = messages
        for last in (False, True):
            reply = self.agent.ask(sent, seconds=max(self.left(), 0.1), on_failure=call.failed)
            self.calls += 1
            self.tokens_in += reply.tokens_in
            self.tokens_out += reply.tokens_out
            try:
                return reply, parse(reply)
            except AnswerError as error:
                call.unusable(error.outcome, str(error), reply, clean(reply.content, 4000))
                tokens = estimated_tokens(message["content"] for message in messages)
                if last or self.left() < MIN_CALL_SECONDS or call.ledger.spending.refusal(tokens=tokens):
                    raise
                sent = repair(messages, reply.content, error, form)
        raise AssertionError("the second answer is returned or raised")
