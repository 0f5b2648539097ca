"""Ask the agent one question, and once more if its answer cannot be used.

Here: asking, parsing and repairing, for questions of every kind. Which questions: `judgement.py`, `cases/`.
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
class Conversation:
    """What a run exchanges with the agent. `calls` and tokens count all answers, usable or not."""

    agent: Agent
    seconds_left: Callable[[], float]
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def ask(
        self, messages: Sequence[Message], call: Call, parse: Callable[[Reply], Answer], *, form: str
    ) -> tuple[Reply, Answer]:
        """The reply and what `parse` returns for it. Failures are recorded. Raises AgentError and AnswerError.

        `form`: the expected form of an answer, in words, for the second attempt.
        """
        sent = messages
        for last in (False, True):
            reply = self.agent.ask(sent, seconds=max(self.seconds_left(), 0.1), on_failure=call.failed)
            self.calls += 1
            self.tokens_in += reply.tokens_in
            self.tokens_out += reply.tokens_out
            try:
                return reply, parse(reply)
            except AnswerError as error:
                call.unusable(error.outcome, str(error), reply, clean(reply.content, 4000))
                tokens = estimated_tokens(message["content"] for message in messages)
                if last or self.seconds_left() < MIN_CALL_SECONDS or call.ledger.spending.refusal(tokens=tokens):
                    raise
                sent = repair(messages, reply.content, error, form)
        raise AssertionError("the second answer is returned or raised")
