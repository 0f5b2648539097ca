"""Errors for bodies that are not answers, with the beginning of the body.

Recognising answers: `splitter.py`, `whole.py`.
"""

from __future__ import annotations

from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.redaction.redact import redact

CLIP_BYTES = 400  # of the body, for the reason


class NotAnAnswerError(FleexmonError, ValueError):
    """The body contains no records: it is HTML, prose or another API's JSON. The message shows its beginning."""


class EmptyBodyError(NotAnAnswerError):
    """The body is empty. Only the way it was sent tells whether there are no lines, or an error."""


def clip(body: bytes) -> str:
    """The beginning of a body for a person: one line, without secrets and characters that cannot be stored."""
    text = body[:CLIP_BYTES].decode("utf-8", "replace")
    return redact(" ".join("".join(c if c.isprintable() else " " for c in text).split()))[:120]
