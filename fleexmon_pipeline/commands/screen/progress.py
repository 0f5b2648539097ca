"""Progress for a person who waits longer than two seconds: one line on stderr, erased at the end.

Only at a terminal: a script's stderr has only errors.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 2.0
_STEP_SECONDS = 0.25
_ERASE = "\r\x1b[K"
_SIGNS = "|/-\\"


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Show `what` and the seconds, after two seconds. Yields a function that changes the text."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    shown = [what]
    over = threading.Event()
    printer = threading.Thread(target=_print_progress, args=(shown, over), daemon=True)
    printer.start()
    try:
        yield lambda text: shown.__setitem__(0, text)
    finally:
        over.set()
        printer.join()


def _print_progress(shown: list[str], over: threading.Event) -> None:
    began, step = time.monotonic(), 0
    if over.wait(SECONDS):
        return
    while True:
        seconds = time.monotonic() - began
        sys.stderr.write(f"{_ERASE}{_SIGNS[step % len(_SIGNS)]} {shown[0]} … {seconds:.0f} s")
        sys.stderr.flush()
        step += 1
        if over.wait(_STEP_SECONDS):
            break
    sys.stderr.write(_ERASE)
    sys.stderr.flush()
