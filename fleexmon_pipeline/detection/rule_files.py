"""Load rules from YAML files, one per file. A refused file is reported with line and reason; the others load.

Here: reading, line numbers, duplicate names, samples. The keys of a rule: `rule_model.py`, `rule_kinds.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

import fleexmon_pipeline.detection.rule_kinds  # noqa: F401  its classes fill KINDS
from fleexmon_pipeline.detection.rule_kinds import Forecast, Ratio
from fleexmon_pipeline.detection.rule_model import KINDS, NodeLabels, Rule
from fleexmon_pipeline.errors import FleexmonError

BUILT_IN: Traversable = files("fleexmon_pipeline") / "rules"
MAX_FILE_BYTES = 100_000  # ours have 1,000; a directory given by mistake may contain anything

_Path = tuple[str, ...]
_Lines = dict[_Path, int]

# Pydantic's messages about Python types, reworded for authors of YAML.
_REASONS = {"tuple_type": "must be a list: [first, second]", "model_type": "must be a mapping of keys to values"}


@dataclass(frozen=True)
class Problem:
    """Why a file is refused. line: counts from 1; None if the reason concerns the whole file."""

    file: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass(frozen=True)
class Rules:
    """Usable rules, by file name, and the problems of the others."""

    rules: tuple[Rule, ...]
    problems: tuple[Problem, ...]


def all_rules(own: Path | None, node_labels: NodeLabels | None = None) -> Rules:
    """The built-in rules and the user's own. An own rule replaces a built-in one of its name, unless it is refused.

    node_labels: labels by which rules may select nodes.
    """
    loaded = _all_rules(own)
    for rule in loaded.rules:
        rule.bind(node_labels or {})
    return loaded


def _all_rules(own: Path | None) -> Rules:
    built_in = load_rules()
    if own is None:
        return built_in
    own_rules = load_rules(own)
    problems = tuple(Problem(str(own / problem.file), problem.line, problem.reason) for problem in own_rules.problems)
    by_name = {rule.name: rule for rule in (*built_in.rules, *own_rules.rules)}
    return Rules(tuple(by_name.values()), built_in.problems + problems)


def load_rules(directory: Traversable | Path = BUILT_IN) -> Rules:
    """Every *.yaml of the directory. A rule with a mistake, a failing sample or a duplicate name becomes a problem; the
    others load. Disabled rules are included: evaluation skips them."""
    if directory is BUILT_IN:
        built_in = _built_in()
        return Rules(tuple(rule.model_copy() for rule in built_in.rules), built_in.problems)  # `bind` changes a rule
    return _load_directory(directory)


@cache
def _built_in() -> Rules:
    """Parsing them and trying their samples takes 0.3 s, and they never change in a process."""
    return _load_directory(BUILT_IN)


def _load_directory(directory: Traversable | Path) -> Rules:
    problems: list[Problem] = []
    if not directory.is_dir():
        return Rules((), (Problem(str(directory), None, "is not a directory"),))
    rules: dict[str, Rule] = {}
    owners: dict[str, tuple[str, _Lines]] = {}
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if not file.name.endswith((".yaml", ".yml")):
            continue
        rule, lines, mistakes = _load(file)
        if rule is not None and rule.name in rules:
            reason = f"{owners[rule.name][0]} already has a rule named {rule.name}"
            mistakes = [Problem(file.name, lines.get(("name",)), reason)]
        problems += mistakes
        if rule is not None and not mistakes:
            rules[rule.name], owners[rule.name] = rule, (file.name, lines)
    by_name = rules if directory is BUILT_IN else {rule.name: rule for rule in load_rules().rules} | rules
    for rule in [rule for rule in rules.values() if _lacks_its_ratio(rule, by_name)]:
        file_name, lines = owners[rule.name]
        reason = "forecast.rule: no rule of kind ratio has this name; a forecast needs one for its threshold"
        problems.append(Problem(file_name, lines.get(("forecast", "rule")), reason))
        del rules[rule.name]
    return Rules(tuple(rules.values()), tuple(problems))


def _lacks_its_ratio(rule: Rule, by_name: Mapping[str, Rule]) -> bool:
    """A forecast needs a ratio rule, which may be in another file or a built-in one."""
    return isinstance(rule, Forecast) and rule.enabled and not isinstance(by_name.get(rule.forecast.rule), Ratio)


def check_samples(rule: Rule) -> list[tuple[int, str]]:
    """Samples on which the rule's `where` and `fires` disagree: index and reason. [] if there are none.

    A sample tests which lines count, not how many are needed.
    """
    failures = []
    for index, sample in enumerate(rule.samples):
        fires = rule.lines.has_level(sample.level) and rule.lines.has_text(sample.message)
        if fires != sample.fires:
            verdict = "must match and does not" if sample.fires else "must not match and does"
            failures.append((index, f"sample {index + 1} {verdict}: {sample.level} {sample.message[:100]!r}"))
    return failures


def report(rules: Rules) -> str:
    """The output of `rules test`: one line per rule, then the problems."""
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
    """The rule, if there is one; the lines of its keys; its problems."""
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
    what = f'kind "{kind}" is unknown' if "kind" in data else '"kind" is missing'
    raise _RefusedError(f"{what}; use one of {', '.join(KINDS)}", lines.get(("kind",), 1))


def _read(file: Traversable) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _RefusedError(error.strerror or "cannot be read") from None
    if len(content) > MAX_FILE_BYTES:
        raise _RefusedError(f"has {len(content):,} bytes; a rule may have {MAX_FILE_BYTES:,}")
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
        reason = f"is not valid YAML: {error.problem or error.context}"
        raise _RefusedError(reason, mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _RefusedError(f"is not valid YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(data, dict):
        raise _RefusedError("a rule is a mapping of keys to values: name, kind, …", 1)
    return data, lines


def _lines_of(node: yaml.Node, path: _Path = (), seen: set[int] | None = None) -> Iterable[tuple[_Path, int]]:
    """The line of every key and list item. Refuses duplicate keys, because YAML would silently use the last, and
    aliases, because they can expand a few lines to gigabytes."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed in rules", problem_mark=node.start_mark)
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a plain word", problem_mark=key.start_mark)
            if key.value in keys:
                raise yaml.MarkedYAMLError(problem=f'"{key.value}" appears twice', problem_mark=key.start_mark)
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
        nearest = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in lines), ())
        name = ".".join(path) or "rule"
        match detail["type"]:
            case "extra_forbidden":
                reason = f'"{name}" is not a key of this kind of rule'
            case "missing":
                reason = f'"{name}" is missing'
            case other:
                reason = f"{name}: {_REASONS.get(other) or detail['msg'].removeprefix('Value error, ')}"
        problems.append(Problem(file, lines.get(nearest, 1), reason))
    return sorted(problems, key=lambda problem: problem.line or 0)
