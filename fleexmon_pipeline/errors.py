"""The base class of all errors that this package raises on purpose.

Each error class is defined where it is raised, and also derives from the built-in class that fits (ValueError for a
wrong value). Commands show the text of a FleexmonError without a traceback: what happened, why, what to do.
"""

from __future__ import annotations


class FleexmonError(Exception):
    """An expected failure, explained for the person who can do something about it."""
