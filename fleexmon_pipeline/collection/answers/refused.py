"""Bodies that are no answers: what is said of them.

Here: the reasons, and the beginning of a body for a person. What is one: `splitter.py`, `whole.py`.
"""

from __future__ import annotations

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.redaction.redact import redact

CLIP_BYTES = 400  # of a body that is not an answer, for the reason


class NotAnAnswerError(FleexmonError, ValueError):
    """The body holds no records at all: HTML, prose, another API's JSON. The text says what was there instead."""


class EmptyBodyError(NotAnAnswerError):
    """No bytes at all: nothing to report, or nothing that works. Only the way it was sent can tell."""


def clip(body: bytes) -> str:
    """The beginning of a body, for a person: on one line, without what cannot be stored or should not be seen."""
    text = body[:CLIP_BYTES].decode("utf-8", "replace")
    return redact(" ".join("".join(c if c.isprintable() else " " for c in text).split()))[:120]
