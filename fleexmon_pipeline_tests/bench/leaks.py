"""What redaction finds of another tool's examples: `python -m fleexmon_pipeline_tests.bench leaks FOLDER`.

FOLDER is `cmd/generate/config` of a checkout of gitleaks. Each rule names true examples, most made from a form of
its tokens in 28 kinds of configuration and code, and harmless ones. They are made again here from its source, with
random values, and stay where they are: nothing of it is in this repository. `--show N` prints N of the harmless texts
that were changed, for a person to read what was lost.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # the one reader of expressions there is
from time import process_time

from fleexmon_pipeline.redaction.redact import redact, redact_lines
from fleexmon_pipeline_tests.bench.patterns import corpus
from fleexmon_pipeline_tests.bench.table import Row, Table

DRAWS = 3  # of each random example
SENTENCES = ("request with {s} was refused", "retrying, got 401 for {s}", "{s}", "curl failed: {s} is not valid")
RATE_LINES = 400_000
MAX_REPEATS = (
    1  # beyond the least number, of what an expression repeats without end, as the generator of gitleaks has it
)

_FUNCTION = re.compile(r"^func (\w+)\(.*?\n}$", re.MULTILINE | re.DOTALL)
_LITERAL = re.compile(r'`[^`]*`|"(?:[^"\\\n]|\\.)*"')
_SAMPLE = re.compile(r"""^\s*"[^"\n]+":\s*(`[^`]*`|"(?:[^"\\\n]|\\.)*"),""", re.MULTILINE)
_DETECTS_ALONE = re.compile(r"GenerateUniqueTokenRegex|Regex:\s*regexp\.MustCompile\(`\\b")


@dataclass(frozen=True)
class Example:
    rule: str
    text: str
    secret: str | None  # None: whatever is changed is right


class Source:
    """The rules of a checkout, read as text."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        forms = (folder / "utils" / "generate.go").read_text("utf-8")
        self._samples = [_literal(found) for found in _SAMPLE.findall(forms.partition("samples := ")[2])]
        self._rules = {
            f"{file.stem}.{function[1]}": function[0]
            for file in sorted((folder / "rules").glob("*.go"))
            for function in _FUNCTION.finditer(file.read_text("utf-8"))
        }
        self.unread = 0

    def true(self) -> Iterator[Example]:
        for rule, code in self._rules.items():
            for name, secret in self._made(code):
                forms = self._samples if name is not None else ["{s}"]
                for form in forms:
                    text = form.replace("{i}", name or "").replace("{I}", (name or "").upper()).replace("{s}", secret)
                    yield Example(rule, text, secret)
            for text in self._listed(code, "tps"):
                yield Example(rule, text, None)

    def alone(self) -> Iterator[Example]:
        """Tokens that a rule knows by their form, in a sentence without a name."""
        for rule, code in self._rules.items():
            if _DETECTS_ALONE.search(code):
                for _, secret in self._made(code):
                    for sentence in SENTENCES:
                        yield Example(rule, sentence.replace("{s}", secret), secret)

    def harmless(self) -> Iterator[Example]:
        for rule, code in self._rules.items():
            for text in self._listed(code, "fps"):
                yield Example(rule, text, None)

    def _made(self, code: str) -> Iterator[tuple[str | None, str]]:
        """The name and the value of each example that a rule makes."""
        for call in re.finditer(r"utils\.GenerateSampleSecrets?\(", code):
            arguments = _arguments(code, call.end())
            if len(arguments) == 2:
                for _ in range(DRAWS if "NewSecret" in arguments[1] else 1):
                    name, secret = self._value(arguments[0]), self._value(arguments[1])
                    if name is not None and secret is not None:
                        yield name, secret

    def _listed(self, code: str, which: str) -> Iterator[str]:
        """The examples of a list that are texts as they stand."""
        for begin in re.finditer(rf"\b{which}\s*:?=\s*\[\]string\{{|\b{which} = append\({which},", code):
            for argument in _arguments(code, begin.end()):
                if "GenerateSample" not in argument and (text := self._value(argument)) is not None:
                    yield text

    def _value(self, expression: str) -> str | None:
        """A Go expression of texts, joined by `+`; None for one that needs more than that, which is counted."""
        parts = _split(expression, "+")
        values = [self._part(part.strip()) for part in parts]
        if any(value is None for value in values):
            self.unread += 1
            return None
        return "".join(value or "" for value in values)

    def _part(self, part: str) -> str | None:
        if _LITERAL.fullmatch(part):
            return _literal(part)
        if part.startswith("secrets.NewSecret(") and part.endswith(")"):
            form = self._form(part[len("secrets.NewSecret(") : -1])
            return None if form is None else drawn(form, self._random)
        return None

    def _form(self, expression: str) -> str | None:
        forms = {
            "Numeric": "[0-9]{{{}}}",
            "Hex": "[a-f0-9]{{{}}}",
            "AlphaNumeric": "[a-z0-9]{{{}}}",
            "AlphaNumericExtendedShort": "[a-z0-9_-]{{{}}}",
            "AlphaNumericExtended": "[a-z0-9=_-]{{{}}}",
            "AlphaNumericExtendedLong": "[a-z0-9/=_+-]{{{}}}",
            "Hex8_4_4_4_12": "[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}",
        }
        made = []
        for part in map(str.strip, _split(expression, "+")):
            if call := re.fullmatch(r'utils\.(\w+)\((?:"([\d,]+)")?\)', part):
                made.append(forms[call[1]].format(call[2]))
            elif _LITERAL.fullmatch(part):
                made.append(_literal(part))
            else:
                return None
        return "".join(made)


def _literal(code: str) -> str:
    if code[0] == "`":
        return code[1:-1]
    value = ast.literal_eval(code)
    return value if isinstance(value, str) else ""


def _arguments(code: str, begin: int) -> list[str]:
    """What is separated by commas from `begin` up to the bracket that closes it, without comments."""
    depth, i = 1, begin
    while i < len(code) and depth:
        if found := _LITERAL.match(code, i):
            i = found.end()
            continue
        if code.startswith("//", i):
            end = code.find("\n", i)
            code = code[:i] + code[end if end >= 0 else len(code) :]
            continue
        depth += (code[i] in "({[") - (code[i] in ")}]")
        i += 1
    return [part.strip() for part in _split(code[begin : i - 1], ",") if part.strip()]


def _split(code: str, at: str) -> list[str]:
    """By a character outside of texts and brackets."""
    parts, depth, i, begin = [], 0, 0, 0
    while i < len(code):
        if found := _LITERAL.match(code, i):
            i = found.end()
            continue
        depth += (code[i] in "({[") - (code[i] in ")}]")
        if code[i] == at and not depth:
            parts.append(code[begin:i])
            begin = i + 1
        i += 1
    return [*parts, code[begin:]]


def drawn(expression: str, rnd: random.Random) -> str:
    """A random text of this form."""
    return "".join(_drawn(_parser.parse(expression), rnd))


def _drawn(nodes: Sequence[tuple[object, object]], rnd: random.Random) -> Iterator[str]:
    for operation, value in nodes:
        yield _DRAW[str(operation)](value, rnd)


def _repeated(value: tuple[int, int, Sequence[tuple[object, object]]], rnd: random.Random) -> str:
    least, most, what = value
    times = rnd.randint(least, min(int(most), max(least + MAX_REPEATS, 1) if int(most) > 10_000 else int(most)))
    return "".join("".join(_drawn(what, rnd)) for _ in range(times))


def _one_of(ranges: Sequence[tuple[object, object]], rnd: random.Random) -> str:
    characters: list[str] = []
    for operation, value in ranges:
        match str(operation), value:
            case "LITERAL", int(code):
                characters.append(chr(code))
            case "RANGE", (int(low), int(high)):
                characters += map(chr, range(low, high + 1))
            case "CATEGORY", kind:
                word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
                characters += word[-11:-1] if "DIGIT" in str(kind) else word
    return rnd.choice(characters)


_DRAW: dict[str, Callable[..., str]] = {
    "LITERAL": lambda value, _: chr(value),
    "IN": _one_of,
    "MAX_REPEAT": _repeated,
    "MIN_REPEAT": _repeated,
    "SUBPATTERN": lambda value, rnd: "".join(_drawn(value[-1], rnd)),
    "BRANCH": lambda value, rnd: "".join(_drawn(rnd.choice(value[1]), rnd)),
    "AT": lambda _value, _rnd: "",
    "ANY": lambda _value, rnd: rnd.choice("abcdefghij"),
}


def measure(folder: Path, seed: int, show: int) -> Table:
    source = Source(folder, seed)
    rows: list[Row] = []
    for what, examples in (
        ("true, as gitleaks writes them", list(source.true())),
        ("true, a provider's form alone in a sentence", list(source.alone())),
    ):
        missed: defaultdict[str, int] = defaultdict(int)
        for example in examples:
            missed[example.rule] += not _is_redacted(example)
        worst = max(missed, key=lambda rule: missed[rule])
        rows.append(
            _row(what, len(examples), len(examples) - sum(missed.values()), f"{worst} ({missed[worst]} missed)")
        )
        if show:
            print({rule: number for rule, number in missed.items() if number}, file=sys.stderr)
    harmless = list(source.harmless())
    changed = [example for example in harmless if redact(example.text) != example.text]
    rows.append(_row("harmless, changed at all", len(harmless), len(changed), ""))
    for example in random.Random(seed).sample(changed, min(show, len(changed))):
        print(f"{example.rule}: {example.text[:200]!r} -> {redact(example.text)[:200]!r}", file=sys.stderr)
    lines = corpus(RATE_LINES)
    rows.append(_rate("lines/s, nothing like a secret", [line for line in lines if _is_plain(line)]))
    rows.append(_rate("lines/s, one of six with `token` or 12 digits", lines))
    return Table(
        "redaction against gitleaks' own examples", f"{source.unread} expressions of its code were not read", rows
    )


def _is_plain(line: str) -> bool:
    return "token" not in line and sum(map(str.isdigit, line)) < 12


def _rate(what: str, lines: Sequence[str]) -> Row:
    begun = process_time()
    for _ in redact_lines(lines):
        pass
    rate = len(lines) / (process_time() - begun)
    return {"examples": what, "number": len(lines), "redacted": "", "share": f"{rate:,.0f}", "worst": ""}


def _is_redacted(example: Example) -> bool:
    text = redact(example.text)
    return example.secret not in text if example.secret is not None else text != example.text


def _row(what: str, number: int, redacted: int, worst: str) -> Row:
    return {
        "examples": what,
        "number": number,
        "redacted": redacted,
        "share": f"{redacted / max(number, 1):.1%}",
        "worst": worst,
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench leaks")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0)
    options = parser.parse_args(arguments)
    if not (options.folder / "rules").is_dir():
        print(f"no rules/ in {options.folder}: it is cmd/generate/config of a checkout of gitleaks", file=sys.stderr)
        return 1
    print(measure(options.folder, options.seed, options.show))
    return 0
