"""What is going on, for whoever waits longer than two seconds: one line on stderr, gone when it is over.

Only a person is told: a script's stderr has errors and nothing else.
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
    """`what` is shown after two seconds, with the seconds; the function that it yields changes it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    shown = [what]
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(shown, over), daemon=True)
    teller.start()
    try:
        yield lambda text: shown.__setitem__(0, text)
    finally:
        over.set()
        teller.join()


def _tell(shown: list[str], over: threading.Event) -> None:
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
