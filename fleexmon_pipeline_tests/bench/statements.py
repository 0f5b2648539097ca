"""How rightly lines of programs that nobody tuned for are grouped: their own log statements are the truth.

`python -m fleexmon_pipeline_tests.bench statements FOLDER…`: each folder is a checkout of a program (C, Go, Java,
Python). Its log statements are found in its source, STATEMENTS of them are drawn, and LINES lines are rendered from
them, few of them often and most of them seldom. A line's label is its statement. Values are made up: of which kind
they are, the statement's own arguments say (`client->addr`, `strerror(errno)`, `elapsed_ms`). Nothing of the source is
kept. What the figures are not: how often real programs say what, and which values they have.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from zlib import crc32

from fleexmon_pipeline_tests.bench.grouping import cells, groups_of_drain3, groups_of_logfold, our_groups, scores_of
from fleexmon_pipeline_tests.bench.table import Row, Table
from fleexmon_pipeline_tests.patterns.test_loghub import accuracy

STATEMENTS = 150  # of a program, at most
LINES = 2_000
MAX_SOURCE_BYTES = 2_000_000
MIN_WORDS = 2  # of a statement: `%s: %s` has no truth of its own

_C_CALL = re.compile(r"\b\w*(?:log|warn|err|info|debug|notice|alert|panic)\w*\s*\(", re.IGNORECASE)
_PYTHON_CALL = re.compile(
    r"\b(?:log|logger|_?LOG(?:GER)?|logging)\.(?:debug|info|warn|warning|error|critical|exception)\("
)
_JAVA_CALL = re.compile(r"\b(?:log|logger|LOG|LOGGER)\.(?:trace|debug|info|warn|error)\(")
_GO_CALL = re.compile(
    r"\b\w*(?:[lL]og(?:ger)?|lg|klog|glog|plog)(?:\(\))?\.(?:Debug|Info|Warn|Warning|Error|Fatal|Panic|Print)(?:f|ln|w)?\("
    r"|\blevel\.\w+\([^()]*\)\.Log\("
)
_CALLS = {".c": _C_CALL, ".h": _C_CALL, ".py": _PYTHON_CALL, ".java": _JAVA_CALL, ".go": _GO_CALL}
_TESTS = re.compile(
    r"(^|[/_.-])(tests?|testing|examples?|third_?party|vendor|deps|contrib|bench\w*)([/_.-]|$)", re.IGNORECASE
)

_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_PYTHON_STRING = re.compile(r"""[fFrRbBuU]{0,2}(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""")
_NUMBER_MACRO = re.compile(r"\b(?:PRI|SCN)\w+\b")
_HOLE = re.compile(
    r"(?<!%)%(?:\((\w+)\))?[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|L|z|j|t|q)?([diouxXeEfFgGcspmrvqtTUw])"
    r"|\{([^{}\n]*)\}"
)
_ESCAPES = {"\\n": " ", "\\t": " ", "\\r": "", '\\"': '"', "\\'": "'", "\\\\": "\\"}
_FIELD = re.compile(r'zap\.(\w+)\(\s*"([^"]+)"\s*,\s*(.*)\)\s*$', re.DOTALL)


@dataclass(frozen=True)
class Hole:
    conversion: str  # the letter of printf, `s` where there is none
    hint: str  # the expression that fills it, in words


@dataclass(frozen=True)
class Statement:
    parts: tuple[str | Hole, ...]

    @property
    def label(self) -> str:
        return "".join(part if isinstance(part, str) else "<>" for part in self.parts)


def statements_of(folder: Path) -> list[Statement]:
    """The log statements in the source below a folder, each text once, in the order of the files."""
    found: dict[str, Statement] = {}
    for file in sorted(folder.rglob("*")):
        call = _CALLS.get(file.suffix)
        if call is None or _TESTS.search(str(file.relative_to(folder))) or not file.is_file():
            continue
        if file.stat().st_size > MAX_SOURCE_BYTES:
            continue
        source = file.read_text("utf-8", "replace")
        for match in call.finditer(source):
            if (statement := read_call(source, match.end(), file.suffix)) is not None:
                found.setdefault(statement.label, statement)
    return list(found.values())


def read_call(source: str, start: int, suffix: str) -> Statement | None:
    """The statement whose arguments begin at `start`; None where its text is not written there."""
    arguments = list(_arguments(source, start, python=suffix == ".py"))
    for place, argument in enumerate(arguments[:5]):
        parts = _text(argument, suffix) if argument != '"msg"' else None
        if parts is None:
            continue
        statement = Statement(tuple(_filled(parts, arguments[place + 1 :], suffix)))
        text = " ".join(part for part in statement.parts if isinstance(part, str))
        return statement if len(re.findall(r"[A-Za-z]{2,}", text)) >= MIN_WORDS else None
    return None


def _arguments(source: str, start: int, *, python: bool) -> Iterator[str]:
    """The arguments of a call, at most 20, each at most 2,000 characters long."""
    string = _PYTHON_STRING if python else _STRING
    depth, begun, place = 0, start, start
    while place < min(len(source), start + 4_000):
        if (literal := string.match(source, place)) is not None:
            place = literal.end()
            continue
        character = source[place]
        if character in "([{":
            depth += 1
        elif character in ")]}":
            if depth == 0:
                yield source[begun:place].strip()
                return
            depth -= 1
        elif character == "," and depth == 0:
            yield source[begun:place].strip()
            begun = place + 1
        place += 1


def _text(argument: str, suffix: str) -> list[str | Hole] | None:
    """The literal text of an argument, with a hole for each expression that is joined to it; None without a text."""
    if suffix == ".py":
        pieces = _PYTHON_STRING.findall(argument)
        if not pieces or _PYTHON_STRING.sub("", argument).strip(" \n\t()"):
            return None
        return ["".join(_unquoted(piece.lstrip("fFrRbBuU")[1:-1]) for piece in pieces)]
    argument = _NUMBER_MACRO.sub('"d"', argument) if suffix in (".c", ".h") else argument
    if not _STRING.search(argument) or argument[0] not in '"(':
        return None
    if suffix in (".c", ".h"):
        rest = _STRING.sub("", argument).strip()
        return (
            None
            if rest.strip(" \n\t()\\")
            else ["".join(_unquoted(piece[1:-1]) for piece in _STRING.findall(argument))]
        )
    parts: list[str | Hole] = []
    for piece in re.split(r"\s*\+\s*(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", argument):
        if _STRING.fullmatch(piece.strip()):
            parts.append(_unquoted(piece.strip()[1:-1]))
        elif _STRING.search(piece) and suffix == ".go":
            return None
        else:
            parts.append(Hole("s", _words(piece)))
    return parts


def _unquoted(text: str) -> str:
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], ""), text)


def _words(expression: str) -> str:
    """An expression as words: `client->peerAddr` is `client peer addr`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", expression)
    return " ".join(re.findall(r"[a-z]+", apart.lower()))


def _filled(parts: Sequence[str | Hole], arguments: Sequence[str], suffix: str) -> Iterator[str | Hole]:
    rest = iter(arguments)
    for part in parts:
        if isinstance(part, Hole):
            yield part
            continue
        end = 0
        for hole in _HOLE.finditer(part):
            if hole[2] is None and (suffix in (".c", ".h", ".go") or not (suffix == ".java" or hole[3])):
                continue
            yield part[end : hole.start()].replace("%%", "%")
            end = hole.end()
            if hole[1] or hole[3]:
                yield Hole(hole[2] or "s", _words(hole[1] or hole[3]))
            elif hole[2] == "m":
                yield Hole("s", "strerror errno")
            else:
                yield Hole(hole[2] or "s", _words(next(rest, "")))
        yield part[end:].replace("%%", "%").strip("\n")
    if suffix == ".go":
        yield from _fields(list(rest))


def _fields(arguments: Sequence[str]) -> Iterator[str | Hole]:
    """Fields of zap, slog and their like, as their text handlers print them: `key=value`."""
    keys = iter(arguments)
    for argument in keys:
        if (field := _FIELD.fullmatch(argument)) is not None:
            kind = "d" if field[1].startswith(("Int", "Uint", "Float")) else "s"
            yield from (f" {field[2]}=", Hole(kind, f"{_words(field[1])} {_words(field[2])}"))
        elif _STRING.fullmatch(argument):
            yield from (f" {argument[1:-1]}=", Hole("s", f"{_words(argument)} {_words(next(keys, ''))}"))
        elif "zap.Error" in argument:
            yield from (" error=", Hole("q", "err"))


# -- values ------------------------------------------------------------------------------------------------------------

_NAMES = """alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor
walter orders payments catalog search billing mailer ledger gateway inventory sessions""".split()  # noqa: SIM905
_TEXTS = (
    "Connection refused", "No such file or directory", "Permission denied", "Connection reset by peer", "Broken pipe",
    "Operation timed out", "Invalid argument", "Cannot allocate memory", "Address already in use", "unexpected EOF",
    "Resource temporarily unavailable", "No space left on device",
)  # fmt: skip
_STATES = ("up", "down", "ready", "pending", "closed", "leader", "follower", "syncing")

Make = Callable[[random.Random], str]


def _hex(digits: int) -> Make:
    return lambda rnd: f"{rnd.getrandbits(4 * digits):0{digits}x}"


def _path(rnd: random.Random) -> str:
    folder, owner, name = rnd.choice(("var/lib", "etc", "srv/data", "tmp")), rnd.choice(_NAMES), rnd.choice(_NAMES)
    return f"/{folder}/{owner}/{name}.{rnd.randrange(400)}.db"


def _address(rnd: random.Random) -> str:
    return f"10.{rnd.randrange(4)}.{rnd.randrange(256)}.{rnd.randrange(256)}:{rnd.choice((6379, 2181, 2380, 9093))}"


def _moment(rnd: random.Random) -> str:
    return f"2026-11-{rnd.randrange(1, 29):02} {rnd.randrange(24):02}:{rnd.randrange(60):02}:07"


def _service(rnd: random.Random) -> str:
    return f"{rnd.choice(_NAMES)}-{rnd.randrange(20)}"


def _class_name(rnd: random.Random) -> str:
    return f"{rnd.choice(_NAMES).title()}{rnd.choice(('Handler', 'Worker', 'Store', 'Task'))}"


def _number(rnd: random.Random) -> str:
    return str(int(10 ** rnd.uniform(0, 6)))


# The first whose words an expression has says what fills the hole.
_KINDS: tuple[tuple[str, Make], ...] = (
    (r"strerror|\b(?:err|error|errno|exception|cause|reason|ex|e|exc|t)\b", lambda rnd: rnd.choice(_TEXTS)),
    (r"port\b|count|num\b|size|len\b|length|bytes|version|epoch|index|\bid$|pid|xid|offset|fd\b|attempt", _number),
    (r"elapsed|duration|took|timeout|latency|interval", lambda rnd: f"{rnd.uniform(0.1, 900):.3f}ms"),
    (r"addr|\bip\b|host|peer|remote|endpoint|server", _address),
    (r"url|uri", lambda rnd: f"http://{_service(rnd)}.internal/{rnd.choice(_NAMES)}/{rnd.randrange(999)}"),
    (r"path|file|dir\b|socket|log\b", _path),
    (r"uuid|token|hash|digest|sha|key|session", _hex(16)),
    (r"user|client|name|topic|queue|group|member|account|owner", lambda rnd: rnd.choice(_NAMES)),
    (r"\bthis\b", _service),
    (r"state|status|mode|role|type|kind|level", lambda rnd: rnd.choice(_STATES)),
    (r"class|handler|task|worker", _class_name),
    (r"time|date|since|until", _moment),
    (r"\b(?:enabled|is|has|bool|flag)\b", lambda rnd: rnd.choice(("true", "false"))),
)  # fmt: skip
_UNKNOWN: tuple[Make, ...] = (_service, _hex(8), lambda rnd: rnd.choice(_NAMES), _number, _class_name)


def maker_of(hole: Hole, statement: str) -> Make:
    """What makes the values of a hole; the same one each time."""
    if hole.conversion in "diouU":
        return _number
    if hole.conversion in "xXp":
        return lambda rnd: f"{'0x' if hole.conversion == 'p' else ''}{rnd.getrandbits(32):x}"
    if hole.conversion in "eEfFgG":
        return lambda rnd: f"{rnd.uniform(0, 1000):.2f}"
    if hole.conversion == "c":
        return lambda rnd: rnd.choice("ABCDRWX")
    make = next((make for words, make in _KINDS if re.search(words, hole.hint)), None)
    if make is None:
        make = _UNKNOWN[crc32(f"{statement} {hole.hint}".encode()) % len(_UNKNOWN)]
    if hole.conversion not in "rq":
        return make
    quote, inner = ('"' if hole.conversion == "q" else "'"), make
    return lambda rnd: f"{quote}{inner(rnd)}{quote}"


def rendered(statements: Sequence[Statement], *, seed: int) -> tuple[list[str], list[str]]:
    """LINES lines of at most STATEMENTS statements, and their labels."""
    rnd = random.Random(seed)
    drawn = rnd.sample(list(statements), min(STATEMENTS, len(statements)))
    weights = [1 / rank for rank in range(1, len(drawn) + 1)]
    lines, labels = [], []
    for statement in rnd.choices(drawn, weights=weights, k=LINES):
        label = statement.label
        texts = [part if isinstance(part, str) else maker_of(part, label)(rnd) for part in statement.parts]
        lines.append(" ".join("".join(texts).split()))
        labels.append(label)
    return lines, labels


# -- measurement -------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="fleexmon_pipeline_tests.bench statements", description="Group made lines.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a checkout of a program's source")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N splits and N merges of each program")
    options = parser.parse_args(arguments)
    found = {folder.name: statements_of(folder) for folder in options.folders}
    if empty := [name for name, statements in found.items() if len(statements) < 2]:
        print(f"no log statements below {', '.join(empty)}", file=sys.stderr)
        return 1
    print(measure(found, seed=options.seed, show=options.show))
    return 0


def measure(found: dict[str, list[Statement]], *, seed: int, show: int = 0) -> Table:
    rows: list[Row] = []
    all_scores: list[list[float]] = []
    for name, statements in found.items():
        lines, labels = rendered(statements, seed=seed)
        ours = our_groups(lines)
        scores = [*accuracy(ours, labels)]
        scores += [score for peer in (groups_of_drain3, groups_of_logfold) for score in scores_of(peer(lines), labels)]
        count: Row = {
            "set": name,
            "in source": len(statements),
            "statements": len(set(labels)),
            "patterns": len(set(ours)),
        }
        rows.append({**count, **cells(scores, HEADS)})
        all_scores.append(scores)
        for text in errors(lines, labels, ours)[: 2 * show]:
            print(text)
    rows.sort(key=lambda row: str(row["GA"]))
    means = [fmean(column) for column in zip(*all_scores, strict=True)]
    rows.append({"set": "mean", "in source": "", "statements": "", "patterns": "", **cells(means, HEADS)})
    how = f"{LINES:,} lines of at most {STATEMENTS} statements each, seed {seed}; values are made up"
    return Table("grouping of made lines by their statements", how, rows)


HEADS = ("GA", "FGA", "drain3_GA", "drain3_FGA", "logfold_GA", "logfold_FGA")


def errors(lines: Sequence[str], labels: Sequence[str], groups: Sequence[str]) -> list[str]:
    """What is split and what is joined, with a line of each part; most lines first."""
    by_label, by_group = defaultdict(lambda: defaultdict(list)), defaultdict(lambda: defaultdict(list))  # type: ignore[var-annotated]
    for line, label, group in zip(lines, labels, groups, strict=True):
        by_label[label][group].append(line)
        by_group[group][label].append(line)
    found = [
        (
            sum(map(len, parts.values())),
            f"{what} {len(parts)}: " + "\n    ".join(part[0] for part in list(parts.values())[:6]),
        )
        for what, sides in (("split into", by_label), ("joined", by_group))
        for parts in sides.values()
        if len(parts) > 1
    ]
    return [f"{count} lines {text}" for count, text in sorted(found, reverse=True)]
