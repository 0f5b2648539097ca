"""The one base class of the errors that this package raises on purpose.

Here: nothing else. Each error stands where it is raised, and also has the built-in base that fits it (ValueError where
a value is wrong). A command shows the text of a FleexmonError without a traceback: what happened, why, what to do.
"""

from __future__ import annotations


class FleexmonError(Exception):
    """What a caller may expect to go wrong, in words for the person who can do something about it."""
