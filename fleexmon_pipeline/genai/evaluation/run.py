"""Ask an agent about the cases with a known cause, one after the other.

Here: asking, without a database. Scoring: `score.py`. Each case is asked once: a second attempt would flatter the
agent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fleexmon_pipeline.genai.agent import Agent, AgentError, Reply
from fleexmon_pipeline.genai.answer import AnswerError
from fleexmon_pipeline.genai.cases.claims import Explanation, parse_explanation
from fleexmon_pipeline.genai.evaluation.known import KnownCase
from fleexmon_pipeline.genai.evaluation.score import Score, blames_bystander, score_answer
from fleexmon_pipeline.genai.outcomes import QUESTION_FAULTS


@dataclass
class Evaluation:
    """`failures`: outcomes of cases without a usable answer; `stopped`: why the rest was not asked."""

    score: Score = field(default_factory=Score)
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    model: str | None = None
    failures: Counter[str] = field(default_factory=Counter)
    stopped: str | None = None

    def spend(self, spent: Reply | AgentError) -> None:
        self.tokens_in += spent.tokens_in
        self.tokens_out += spent.tokens_out
        self.tokens_cached += spent.tokens_cached


def evaluate_agent(
    agent: Agent, cases: Sequence[KnownCase], *, seconds: float, progress: Callable[[int, KnownCase, str], None]
) -> Evaluation:
    """Ask about each case for at most `seconds`, and report `progress`: number, case and result.

    Stops if the agent itself fails; cases that were not asked count as not answered.
    """
    done = Evaluation()
    for number, case in enumerate(cases, 1):
        answer, sentence = None, "not asked"
        if done.stopped is None:
            answer, sentence = _ask(agent, case, seconds, done)
        score_answer(done.score, case, answer)
        progress(number, case, sentence)
    return done


def _ask(agent: Agent, case: KnownCase, seconds: float, done: Evaluation) -> tuple[Explanation | None, str]:
    try:
        reply = agent.ask(case.messages, seconds=seconds)
        done.spend(reply)
        done.model = done.model or reply.model
        nodes = {node: node for node in case.nodes}
        answer = parse_explanation(reply.content, reply.finish_reason, case.ids, nodes)
    except AgentError as error:
        done.spend(error)
        done.failures[error.outcome] += 1
        if error.outcome not in QUESTION_FAULTS:
            done.stopped = f"{error.outcome}: {error}"
        return None, f"{error.outcome}: {error}"
    except AnswerError as error:
        done.failures[error.outcome] += 1
        return None, f"{error.outcome}: {error}"
    right = answer.root_node == case.truth.node
    sentence = f"{answer.root_node or 'no node'}, {'right' if right else f'was {case.truth.node}'}"
    return answer, sentence + (", blames a bystander" if blames_bystander(case, answer) else "")
