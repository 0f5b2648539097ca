"""How a question to the agent ended: the values of "GenAICall".outcome, and why nothing was asked.

Here: the names, and what follows from an outcome. Stored and shown, so values stay.
"""

from __future__ import annotations

from enum import StrEnum


class CallOutcome(StrEnum):
    """Any other HTTP status than those below is `http_<status>`, see `http_outcome`."""

    OK = "ok"

    # Nothing was asked.
    NOT_CONFIGURED = "not_configured"
    OVER_BUDGET = "over_budget"
    HELD_BACK = "held_back"  # by the circuit breaker
    DEADLINE = "deadline"
    BUSY = "busy"  # another run is asking

    # The agent did not answer.
    BAD_KEY = "bad_key"
    DNS = "dns"
    TLS = "tls"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    BROKEN_OFF = "broken_off"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NOT_CHAT = "not_chat"
    HTTP_400 = "http_400"
    HTTP_413 = "http_413"
    HTTP_422 = "http_422"
    HTTP_429 = "http_429"

    # It answered, and the answer cannot be used.
    EMPTY_CHOICES = "empty_choices"
    NO_CONTENT = "no_content"
    CONTENT_FILTER = "content_filter"  # a guardrail of the agent stopped the answer
    MODEL_REFUSAL = "refusal"  # the model said that it will not answer
    TOOL_CALLS = "tool_calls"  # it called a function instead of answering
    REASONING_ONLY = "reasoning_only"  # it thought until max_tokens were used up
    INVALID_ANSWER = "invalid_answer"
    TRUNCATED = "truncated"


# The question may be at fault, so others are still worth asking. Every other failure means that the agent is failing.
QUESTION_FAULTS = (
    CallOutcome.HTTP_400, CallOutcome.HTTP_413, CallOutcome.HTTP_422, CallOutcome.NO_CONTENT, CallOutcome.EMPTY_CHOICES,
    CallOutcome.INVALID_ANSWER, CallOutcome.TRUNCATED, CallOutcome.CONTENT_FILTER, CallOutcome.MODEL_REFUSAL,
    CallOutcome.TOOL_CALLS, CallOutcome.REASONING_ONLY,
)  # fmt: skip
# The same text would be stopped again: these refusals are valid for a day, and their patterns do not wait.
STANDING_REFUSALS = (CallOutcome.CONTENT_FILTER, CallOutcome.MODEL_REFUSAL)
# What to change if asking again does not help.
REMEDIES = {
    CallOutcome.CONTENT_FILTER: "relax the guardrails of the agent, which take log lines for harmful content",
    CallOutcome.MODEL_REFUSAL: "choose another model, or remove instructions of the agent that forbid log analysis",
    CallOutcome.TOOL_CALLS: "remove the functions and routes of the agent: it is asked for text only",
    CallOutcome.REASONING_ONLY: "raise GENAI_MAX_TOKENS, or choose a model that reasons less or not at all",
    CallOutcome.TRUNCATED: "raise GENAI_MAX_TOKENS",
}
# The agent may have worked on the question and charge for it.
MAYBE_PAID = (CallOutcome.TIMEOUT, CallOutcome.BROKEN_OFF, CallOutcome.TOO_LARGE)


def http_outcome(status: int) -> str:
    """The outcome of a response that is not 200."""
    return f"http_{status}"


def is_transient(outcome: str) -> bool:
    """Whether to retry immediately. Not after a timeout: the agent may still be working, and charge for it."""
    transient = (CallOutcome.REFUSED, CallOutcome.DNS, CallOutcome.UNREACHABLE, CallOutcome.HTTP_429)
    return outcome in transient or outcome.startswith("http_5")
