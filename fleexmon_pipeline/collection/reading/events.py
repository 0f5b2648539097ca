"""Join the lines of one event: stack traces of Java, Python, Go, Ruby, PHP, Rust, .NET, Node, Elixir, Perl, Dart.

Here: which line of a journal, a log store, a container or a file continues the one before it in its stream. The event
has the time of its first line. JSON records are events already.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fleexmon_pipeline.collection.reading.text_levels import level_in_text
from fleexmon_pipeline.collection.reading.text_times import TIME
from fleexmon_pipeline.errors import FleexmonError

MAX_PAUSE = timedelta(seconds=5)  # between two lines of an event: a trace is written at once
MAX_EVENT_CHARACTERS = 200_000  # Java's own traces end at 1,024 frames, some 100 kB
MAX_LOOKED_AT = 500  # characters of a line that are matched
MAX_WAITING = 5_000  # events, while an earlier one is open
MAX_UNTIMED = 100  # lines without a time in one event; with more, the file has another form
MAX_SOURCE_LINES = 6  # that Node shows before the error itself

# Lines that can only be part of a trace.
_PART = re.compile(
    r"\s+at \S|\s*\.\.\. \d+ (?:more|common frames)|\s+from \S+:\d+|\S+:\d+:in [`'][^']*'$|\s*#\d+ +\S|\s+\d+: +\S"
    r"|\s+(?:\([\w.-]+ [\w.-]+\) )?\S+\.exs?:\d+: |.{0,300} called at \S+ line \d+|<asynchronous suspension>$"
    r"|\s*(?:Caused by|Suppressed|Wrapped by):(?: |$)|Stack trace:$|\[stacktrace\]$|\s*[Ss]tack backtrace:$"
    r"|goroutine \d+ \[|created by \S+|\s*--->? |\s*--- End of |\s+thrown in \S+ on line \d+|PHP Stack trace:$"
    r"|PHP +\d+\. |\s+\^+\s*$"
    r"|\[signal SIG|Next [\w\\]+: |\s+\[cause\]: |note: run with |Node\.js v\d+"
    r"|stack traceback:$|coroutine \d+:$|(?:Raised at|Re-raised at|Called from) .+, line \d+|CallStack \(from "
    r"|\s+\w[\w']*, called at \S+:\d+|0x[0-9a-f]{8,16}$|Current stack trace:$|\d+\s+\S+\s+0x[0-9a-f]{6,16}\b"
    r"|(?:READ|WRITE) of size \d+ at 0x"
    r"|\s+(?:(?:Previous )?(?:[Aa]tomic )?(?:[Ww]rite|[Rr]ead) of size \d+ at|Location is |Thread T\d+ \()"
    r"|Stacktrace:$|\s+\[\d+\] \S|\s+@ \S+ +\S|\s+from \S+:\d+:\d+ in |\S+\.nim\(\d+\) \S+$|\S+\.zig:\d+:\d+: 0x"
    r"|Error: unhandled exception: "
    r"|Location:$|Backtrace:$|0x[0-9a-f]{6,16} is located |Thread \d+ .{0,80}crashed:$"
    r"|\d+ (?:\[\w+\] )?0x[0-9a-f]{8,16} "
    r"|in expression starting at \S+:\d+$"
    r"|\s+(?:while executing|invoked from within|\(procedure \".{1,80}\" line \d+\))$"
    r"|In addition: Warning message|Calls: .+|Execution halted$|At (?:line|[A-Za-z/]\S*):\d+ char:\d+"
    r"|\s*\+ (?:CategoryInfo|FullyQualifiedErrorId) +: "
    r"|(?:Last message(?: \(from [^)]{1,60}\))?|State|Function|Args|Initial Call|Ancestors): |\"}\s*$"
    r"|(?:Current thread|Thread) 0x[0-9a-f]+ .{0,80}:$|Extension modules: |Also: {2,}\S|Driver stacktrace:$"
    r"|HasCallStack backtrace:$|\d+ \|(?: |$)|\s+--> \S+:\d+"
)
_EXCEPTION = re.compile(
    r"(?:Exception in thread |Unhandled [Ee]xception|(?:error: )?Uncaught |ERROR: LoadError: "
    r"|PHP (?:Fatal|Parse|Recoverable) )"
    r"|(?:[A-Za-z_$][\w$]*(?:\.|::|\\))*(?:[A-Z][\w$]*)?(?:Exception|Error|Throwable|Fault|ExceptionInfo)\b(?=[ :(]|$)"
    r"|Fatal Python error: |\S+\.rb:\d+:in [`'][^']*': "
    r"|terminate called after throwing |\*\* \([\w.]+\) |\*\*\* Program crashed: |WARNING: DATA RACE$"
    r"|WARNING: ThreadSanitizer: |==\d+==ERROR: "
)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):?")
_EXCEPTION_GROUP = re.compile(r"\s*\+ Exception Group Traceback \(most recent call last\):")
_PYTHON_CHAIN = re.compile(r"During handling of the above exception|The above exception was the direct cause")
_PYTHON_MORE = re.compile(r"\[\w+: .*\]$|\(Background on this error at: ")  # SQLAlchemy
_PYTHON_END = re.compile(r"[A-Za-z_][\w.]*(?:: |:?$)")
_GO_START = re.compile(r"SIG[A-Z]{3,6}: |(?:panic|fatal error|unexpected fault address)\b.*|goroutine \d+ \[")
_GO_PART = re.compile(
    r"\s*$|\t|goroutine |created by |exit status \d|\[signal |\s*panic: |runtime stack:|\[originating from"
    r"|PC=0x|r[\w]{1,3} +0x"
    r"|[\w./*()\[\]{}·~$,%-]+\(.*\)$|[\w./-]{1,200}\.[\w.()*·$-]{1,120}$"
)
_GO_FUNCTION = re.compile(r"[\w./-]{1,200}\.[\w.()*·$-]{1,120}$")  # of a frame, as zap writes it
_GO_FILE = re.compile(r"\t\S+\.go:\d+")
_RUST_START = re.compile(r"thread '[^']*' (?:\(\d+\) )?panicked at |thread \d+ panic: ")
_RUST_PART = re.compile(r"stack backtrace:|\s+\S|note: |\s*$")
_ERLANG_REPORT = re.compile(r"=[A-Z]+ REPORT==== ")
_ERLANG_PART = re.compile(r"\s|\*\* |$")
_RULE = re.compile(r"={10,}$")  # around what Go's and Clang's sanitizers report
_TOOL = re.compile(r"==\d+== ")  # Valgrind
_GOROUTINE = re.compile(r"goroutine \d+ \[")
_QUOTES_NEXT = ("while executing", "invoked from within")  # Tcl
_RACE_PART = re.compile(r"(?:Previous )?(?:[Rr]ead|[Ww]rite) at 0x|Goroutine \d+ \(|={10,}$|SUMMARY: ")
_NODE_SOURCE = re.compile(r"node:[\w/.-]{1,80}:\d+$|(?:file://)?/\S+\.(?:[cm]?js|[cm]?ts):\d+$")
_CONSOLE = re.compile(r"(?:trce|dbug|info|warn|fail|crit): ")
_TRACE_PART = re.compile(r"\s|[}\]]+,?\s*$|$")
_TAG = re.compile(r"\[[\w-]{8,64}\] ")
_BOX = re.compile(r"[═━]{2,}╡ EXCEPTION CAUGHT BY ")  # Flutter
_END_OF_BOX = re.compile(r"[═━]{20,}$")
_FRAME_OF_BOX = ("╷", "╭", "┌", "╔")  # Terraform
_IN_BOX = tuple("│┃║╵╰└╚├")
_INDENTED = (" ", "\t")
MIN_DEPTH = 2  # blanks before an indented line
_OPEN = (":", "{", "[", "(", "=", "=>", ",", "\\")  # at the end of a line that goes on
_CLOSING = re.compile(r"[}\])]+[,;]?\s*$")
_WARNING_AT = re.compile(r"\S+:\d+: \w{0,40}Warning: ")  # Python
MAX_MESSAGE_LINES = 60  # of a failed assertion, before its frames
_ASSERTION = "[ERR_ASSERTION]"
MAX_DART_LINES = 12  # of a message of Dart, before its frames
_DART = "Unhandled exception:"
_POWERSHELL = ("At ", "+ ")  # what was run, and where in it
# Kinds of events that their first line reveals, and the characters that it may begin with.
_FORMS = (
    (_TRACEBACK, "python", "T"),
    (_EXCEPTION_GROUP, "trace", "+ \t"),
    (_GO_START, "go", "pfugS"),
    (_NODE_SOURCE, "node " + "|" * MAX_SOURCE_LINES, "nf/"),
    (_ERLANG_REPORT, "erlang", "="),
    (_RULE, "ruled", "="),
    (_TOOL, "tool", "="),
    (_BOX, "box", "═━"),
)
_FORMS_OF = {
    first: tuple((form, mode) for form, mode, letters in _FORMS if first in letters)
    for _, _, all_of in _FORMS
    for first in all_of
}
# Kinds that continue with lines of a few forms.
_PARTS = {"go": (_GO_PART,), "erlang": (_ERLANG_PART, _PART), "tool": (_TOOL,), "rust": (_RUST_PART, _PART)}
_OWN_LEVELS = ("warn", "error", "fatal")


@dataclass(slots=True)
class TextLine:
    """A line of a stream of text. level: from the source, and whether the source gives every line the same one."""

    moment: datetime
    text: str | None
    stream: Hashable = None
    level: str | None = None
    level_is_default: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    is_timed: bool = True  # False: a line of a file that has no time of its own, and has that of the line before it


class _Event:
    """Some lines of one stream that belong together."""

    __slots__ = ("_characters", "_mode", "_texts", "_untimed", "first", "is_open", "last")

    def __init__(self, first: TextLine) -> None:
        text = first.text or ""
        self.first, self.last = first, first.moment
        self.is_open = bool(text) and text[0] != "{"
        self._mode = _begun(text[:MAX_LOOKED_AT]) if self.is_open else ""
        self._texts = [text]
        self._characters = len(text)
        self._untimed = 0 if first.is_timed else MAX_UNTIMED

    def takes(self, line: TextLine) -> bool:
        """Whether the line continues this event; then adds it."""
        text = line.text
        is_record = text is not None and text[:1] == "{" and line.is_timed
        if not self.is_open or text is None or is_record or not self.last <= line.moment <= self.last + MAX_PAUSE:
            return False
        tag = _TAG.match(text)
        if not line.is_timed and self._untimed < MAX_UNTIMED:
            self._untimed += 1
        elif tag and tag[0] in self._texts[0][1:]:  # Rails: the request, behind the head of the first line
            text = text[tag.end() :]
        elif mode := _continued(self._mode, self._texts, text[:MAX_LOOKED_AT]):
            self._mode = mode
        else:
            return False
        self.last = line.moment
        self._characters += len(text)
        if self._characters <= MAX_EVENT_CHARACTERS:
            self._texts.append(text)
        return True

    def line(self) -> TextLine:
        if len(self._texts) > 1:
            self.first.text = "\n".join(self._texts).rstrip()
        return self.first


def joined(lines: Iterable[TextLine]) -> Iterator[TextLine]:
    """Events, as lines whose text may span several lines, in the order of their first lines. An error of `lines` is
    raised after them."""
    waiting: deque[_Event] = deque()  # in order; the first one is still open
    events: dict[Hashable, _Event] = {}  # the open ones by stream
    try:
        for line in lines:
            event = events.get(line.stream)
            if event is not None and event.takes(line):
                continue
            if event is not None:
                event.is_open = False
            new = events[line.stream] = _Event(line)
            waiting.append(new)
            while waiting and (
                not waiting[0].is_open or line.moment - waiting[0].last > MAX_PAUSE or len(waiting) > MAX_WAITING
            ):
                first = waiting.popleft()
                if events.get(first.first.stream) is first:
                    del events[first.first.stream]
                yield first.line()
    except FleexmonError:
        yield from [event.line() for event in waiting]
        raise
    yield from [event.line() for event in waiting]


def _begun(text: str) -> str:
    """The kind of event that this line begins."""
    for form, mode in _FORMS_OF.get(text[:1], ()):
        if form.match(text):
            return mode
    if match := _RUST_START.match(text):
        return "rust" if text[match.end() : match.end() + 1] == "'" else "rust message"
    return "trace" if _EXCEPTION.match(text) else "line"


def _continued(mode: str, texts: list[str], text: str) -> str | None:  # noqa: PLR0911 - a line for each kind
    """The event's mode after this line; None if the line begins another event."""
    if parts := _PARTS.get(mode):
        return mode if any(part.match(text) for part in parts) else None
    match mode:
        case "python" | "python end" | "python chain":
            return _python(mode, text)
        case "rust message":
            return "rust" if level_in_text(text) is None else None
        case "trace":
            return _trace(texts, text)
        case "box" | "box end":
            return None if mode == "box end" else "box end" if _END_OF_BOX.match(text) else "box"
        case "ruled" | "race" | "race end":
            return _race(mode, texts, text)
        case "line":
            return _after_a_line(texts, text)
        case _:  # Node's lines of source
            is_thrown = text[:1] == "[" or _EXCEPTION.match(text)
            return "trace" if is_thrown else mode[:-1] if mode[-1] == "|" else None


def _race(mode: str, texts: list[str], text: str) -> str | None:
    """The report of a sanitizer between two ruled lines."""
    if mode == "ruled":
        return "race" if _EXCEPTION.match(text) else None
    if mode == "race" and _RULE.match(text):
        return "race end"
    return "race" if mode == "race" and (_RACE_PART.match(text) or _trace(texts, text)) else None


def _python(mode: str, text: str) -> str | None:
    if mode == "python":
        if not text.strip() or text[0].isspace() or _PART.match(text):
            return "python"
        return "python end" if _PYTHON_END.match(text) else None
    if _TRACEBACK.match(text):
        return "python" if mode == "python chain" else None
    return (
        "python chain" if _PYTHON_CHAIN.match(text) else mode if not text.strip() or _PYTHON_MORE.match(text) else None
    )


def _trace(texts: list[str], text: str) -> str | None:
    if _GOROUTINE.match(text):
        return "go"
    # Dart: `Unhandled exception:` and a message of several lines; Java: `nested exception is:`
    is_first = len(texts) == 1 and texts[0].startswith("Unhandled exception") and texts[0].endswith(":")
    is_named_next = is_first or (texts[-1].endswith(":") and _EXCEPTION.match(text))
    if texts[0] == _DART and len(texts) < MAX_DART_LINES and texts[-1][:1] != "#" and level_in_text(text) is None:
        return "trace"
    is_shown = texts[-1].startswith(_POWERSHELL) and text.startswith("+ ")
    is_quoted = texts[-1].endswith(_QUOTES_NEXT)
    if _ASSERTION in texts[0] and len(texts) < MAX_MESSAGE_LINES and level_in_text(text) is None:
        return "trace"
    is_part = is_named_next or is_shown or is_quoted or _TRACE_PART.match(text) or _PART.match(text)
    return "trace" if is_part else None


def _is_set_in(texts: list[str], text: str) -> bool:
    """Whether an indented line continues the line before it: a statement of PostgreSQL, .NET's console, an object over
    several lines. A line with its own level or time does not, unless it is inside an indented block."""
    first = texts[0]
    if text[:1] == "\t" or (text.startswith("      ") and _CONSOLE.match(first)):
        return True
    depth = _depth(text)
    if depth < MIN_DEPTH or depth <= _depth(first):
        return False
    if len(texts) > 1 and depth > _depth(texts[-1]) >= MIN_DEPTH:
        return True
    is_open = first.endswith(_OPEN) or _WARNING_AT.match(first) or TIME.match(first) or level_in_text(first) is not None
    is_own = level_in_text(text) is not None and not text.rstrip().endswith(("{", "["))  # `err: {` is a field
    return bool(is_open) and not is_own and TIME.match(text, depth) is None


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip())


def _after_a_line(texts: list[str], text: str) -> str | None:
    """Frames belong to whatever is before them; an exception, to a line that reports something bad."""
    first = texts[0]
    if _PART.match(text):
        return "go" if _GOROUTINE.match(text) else "trace"
    if text[:1] in _INDENTED and _is_set_in(texts, text):
        return "line"
    if _CLOSING.match(text) and _depth(texts[-1]) >= MIN_DEPTH:
        return "line"
    if text.startswith(_IN_BOX):
        return "line" if first.startswith(_FRAME_OF_BOX) else None
    if _GO_FUNCTION.match(text) and level_in_text(first) in _OWN_LEVELS:
        return "go"
    begun = _begun(text) if text.strip() else "line"  # Spring: a blank line between a message and its exception
    goes_on = begun in ("trace", "python") or not text.strip()
    return begun if goes_on and level_in_text(first) in _OWN_LEVELS else None
