"""Rules from YAML files: one file each, refused one by one with file, line and reason.

Here: reading, the line of every key, duplicate names, samples. What a rule may say: `rule_model.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

from fleexmon_pipeline.detection.rule_model import KINDS, Backlog, Divergence, Forecast, Ratio, Rule, Silence, Spike
from fleexmon_pipeline.errors import FleexmonError

BUILT_IN: Traversable = files("fleexmon_pipeline") / "rules"
LARGEST_FILE = 100_000  # bytes; ours have 1,000, and a directory given by mistake may hold anything

_Path = tuple[str, ...]
_Lines = dict[_Path, int]

# What pydantic says of Python types, in the words of who writes YAML.
_REASONS = {"tuple_type": "a list is expected: [first, second]", "model_type": "key: value pairs are expected"}


@dataclass(frozen=True)
class Problem:
    """Why a file, or a part of it, is not used. `line` counts from 1; None where it is about the whole file."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class Rules:
    """The rules that can be used, by file name, and why others cannot."""

    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]


def all_rules(own: Path | None) -> Rules:
    """The built-in rules and one's own, which wins where names are the same. One that is refused overrides none."""
    built_in = load_rules()
    if own is None:
        return built_in
    mine = load_rules(own)
    told = tuple(Problem(str(own / each.file), each.line, each.reason) for each in mine.problems)
    by_name = {rule.name: rule for rule in (*built_in.rules, *mine.rules)}
    return Rules(tuple(by_name.values()), built_in.problems + told)


def load_rules(directory: Traversable | Path = BUILT_IN) -> Rules:
    """Every *.yaml of the directory. A rule with a mistake, a wrong sample or another's name is a problem and left out;
    the others load. Disabled rules are among them: evaluation skips them."""
    problems: list[Problem] = []
    if not directory.is_dir():
        return Rules((), (Problem(str(directory), None, "is not a directory"),))
    found: dict[str, Rule] = {}
    owners: dict[str, tuple[str, _Lines]] = {}
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if not file.name.endswith((".yaml", ".yml")):
            continue
        rule, lines, mistakes = _load(file)
        if rule is not None and rule.name in found:
            reason = f"{owners[rule.name][0]} has a rule named {rule.name} already"
            mistakes = [Problem(file.name, lines.get(("name",)), reason)]
        problems += mistakes
        if rule is not None and not mistakes:
            found[rule.name], owners[rule.name] = rule, (file.name, lines)
    known = found if directory is BUILT_IN else {rule.name: rule for rule in load_rules().rules} | found
    for rule in [rule for rule in found.values() if _is_astray(rule, known)]:
        file_name, lines = owners[rule.name]
        reason = "forecast.rule: there is no rule of this name and of kind ratio, whose threshold could be crossed"
        problems.append(Problem(file_name, lines.get(("forecast", "rule")), reason))
        del found[rule.name]
    return Rules(tuple(found.values()), tuple(problems))


def _is_astray(rule: Rule, known: Mapping[str, Rule]) -> bool:
    """A forecast needs another rule, which may be in another file, or a built-in one."""
    return isinstance(rule, Forecast) and rule.enabled and not isinstance(known.get(rule.forecast.rule), Ratio)


def check_samples(rule: Rule) -> list[tuple[int, str]]:
    """Samples that the rule's `where` judges otherwise than they say: index and reason. [] when all is well.

    A sample is about which lines count, not about how many it takes.
    """
    if isinstance(rule, Spike | Backlog | Silence | Divergence | Forecast):
        return []
    failures = []
    for index, sample in enumerate(rule.samples):
        fires = rule.where.has_level(sample.level) and rule.where.has_text(sample.message)
        if fires != sample.fires:
            said = "must match and does not" if sample.fires else "must not match and does"
            failures.append((index, f"sample {index + 1} {said}: {sample.level} {sample.message[:100]!r}"))
    return failures


def report(rules: Rules) -> str:
    """What `rules test` prints: a line a rule, then the problems."""
    lines = []
    for rule in rules.rules:
        state = f"samples: {len(rule.samples)}" if rule.enabled else "disabled"
        state += ", shadow" if rule.enabled and rule.mode == "shadow" else ""
        lines.append(f"ok       {rule.name} ({rule.kind}, {rule.severity}, {state}, version {rule.version})")
    return "\n".join([*lines, *(f"refused  {problem}" for problem in rules.problems)])


class _RefusedError(FleexmonError):
    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason, self.line = reason, line
        super().__init__(reason)


def _load(file: Traversable) -> tuple[Rule | None, _Lines, list[Problem]]:
    """The rule, if there is one; the lines of its keys; what is wrong with it."""
    try:
        data, lines = _parse(_read(file))
        model = _model_of(data, lines)
    except _RefusedError as error:
        return None, {}, [Problem(file.name, error.line, error.reason)]
    try:
        rule = model.model_validate(data)
    except ValidationError as error:
        return None, lines, _problems(file.name, lines, error)
    wrong = [Problem(file.name, lines["samples", str(index)], reason) for index, reason in check_samples(rule)]
    return rule, lines, wrong


def _model_of(data: dict[str, object], lines: _Lines) -> type[Rule]:
    kind = data.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    what = f'kind "{kind}" is not known' if "kind" in data else '"kind" is missing'
    raise _RefusedError(f"{what}; known are {', '.join(KINDS)}", lines.get(("kind",), 1))


def _read(file: Traversable) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _RefusedError(error.strerror or "cannot be read") from None
    if len(content) > LARGEST_FILE:
        raise _RefusedError(f"has {len(content):,} bytes, which no rule has")
    return content


def _parse(content: bytes) -> tuple[dict[str, object], _Lines]:
    try:
        loader = yaml.SafeLoader(content.decode())
        try:
            node = loader.get_single_node()
            lines = {} if node is None else dict(_lines_of(node))
            data = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except UnicodeDecodeError:
        raise _RefusedError("is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = f"is not usable YAML: {error.problem or error.context}"
        raise _RefusedError(reason, mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _RefusedError(f"is not usable YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(data, dict):
        raise _RefusedError("a rule is a mapping: name, kind, ...", 1)
    return data, lines


def _lines_of(node: yaml.Node, path: _Path = (), seen: set[int] | None = None) -> Iterable[tuple[_Path, int]]:
    """The line of every key and list item. Refuses a key given twice, of which YAML would silently take the last, and
    aliases, with which a few lines can stand for gigabytes."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        raise yaml.MarkedYAMLError(problem="aliases (*name) are not used in rules", problem_mark=node.start_mark)
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a plain word", problem_mark=key.start_mark)
            if key.value in keys:
                raise yaml.MarkedYAMLError(problem=f'"{key.value}" is given twice', problem_mark=key.start_mark)
            keys.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from _lines_of(value, (*path, key.value), seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, str(index)), value.start_mark.line + 1
            yield from _lines_of(value, (*path, str(index)), seen)


def _problems(file: str, lines: _Lines, error: ValidationError) -> list[Problem]:
    problems = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        path = tuple(str(part) for part in detail["loc"])
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in lines), ())
        name = ".".join(path) or "rule"
        match detail["type"]:
            case "extra_forbidden":
                reason = f'"{name}" is not a key of this kind of rule'
            case "missing":
                reason = f'"{name}" is missing'
            case other:
                reason = f"{name}: {_REASONS.get(other) or detail['msg'].removeprefix('Value error, ')}"
        problems.append(Problem(file, lines.get(known, 1), reason))
    return sorted(problems, key=lambda problem: problem.line or 0)
