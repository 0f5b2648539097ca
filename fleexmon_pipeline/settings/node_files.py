"""Nodes from files: FLEEXMON_NODES names a YAML file, or a directory of such files. Every run reads them again.

    nodes:
      - name: web-1
        address: https://10.0.0.5           # as in LOG_SOURCES
        labels: {role: web, color: blue}    # what rules and commands may choose nodes by: role=web
        token_file: /run/secrets/web-1      # or token_env: WEB_TOKEN; user with password_file or password_env
        ca: /etc/fleexmon/ca.pem            # and client_cert, client_key, org_id

Here: the format of such a file. Valid addresses: `watched_nodes.py`. Secrets are never in these files, but in variables
or separate files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleexmon_pipeline.settings.credentials import prefix_of
from fleexmon_pipeline.settings.values import Environment, SettingError

VARIABLE = "FLEEXMON_NODES"
EXAMPLES = "/etc/fleexmon/nodes.yaml", "/etc/fleexmon/nodes/"
MAX_BYTES = 20_000_000
# For 1,000 nodes the pure Python parser takes 2 s, libyaml 0.2 s.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Text = Annotated[str, Field(min_length=1, max_length=2_000)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Word
    address: Text
    labels: dict[Word, Word] = Field(default_factory=dict)
    token_env: Text | None = None
    token_file: Text | None = None
    user: Text | None = None
    password_env: Text | None = None
    password_file: Text | None = None
    client_cert: Text | None = None
    client_key: Text | None = None
    ca: Text | None = None
    org_id: Text | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    nodes: list[_Entry]


@dataclass(frozen=True)
class FileNode:
    """A node from a file. `variables`: its credentials, under the names that environment variables would have."""

    name: str
    address: str
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    file: str


def file_nodes(environment: Environment) -> Iterator[FileNode]:
    """Nodes in the order of the files' names. Raises SettingError with the file, the node and the reason."""
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return
    for path in _files(Path(text)):
        for entry in _read(path):
            yield FileNode(
                entry.name, entry.address, entry.labels, _variables(entry, environment, path.name), path.name
            )


def _files(place: Path) -> list[Path]:
    try:
        expanded = place.expanduser()
        if not expanded.is_dir():
            return [expanded]
        return sorted(path for path in expanded.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file())
    except (OSError, RuntimeError, ValueError) as error:
        raise _refusal(place, error) from None


def _read(path: Path) -> list[_Entry]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingError(VARIABLE, f"{path} is larger than {MAX_BYTES:,} bytes.", *EXAMPLES)
        return _File.model_validate(yaml.load(content, _LOADER)).nodes  # noqa: S506  # both loaders are the safe ones
    except ValidationError as error:
        raise SettingError(VARIABLE, f"{path}: {_first(error)}") from None
    except (OSError, RuntimeError, RecursionError, ValueError, yaml.YAMLError) as error:
        if isinstance(error, SettingError):
            raise
        raise _refusal(path, error) from None


def _refusal(path: Path, error: Exception) -> SettingError:
    reason = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())[:300]
    return SettingError(VARIABLE, f"{path} cannot be used: {reason}.", *EXAMPLES)


def _first(error: ValidationError) -> str:
    """The place and the reason, without the value, which may be a secret."""
    one = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in one["loc"]) or "the file"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place}: {one['msg']}{more}. Nodes are counted from 1."


def _variables(entry: _Entry, environment: Environment, file: str) -> dict[str, str]:
    prefix = prefix_of(entry.name)
    given: dict[str, Any] = {
        "TOKEN": _from(entry.token_env, environment, f"{file}, {entry.name}"),
        "TOKEN_FILE": entry.token_file,
        "USER": entry.user,
        "PASSWORD": _from(entry.password_env, environment, f"{file}, {entry.name}"),
        "PASSWORD_FILE": entry.password_file,
        "CLIENT_CERT": entry.client_cert,
        "CLIENT_KEY": entry.client_key,
        "CA": entry.ca,
        "ORG_ID": entry.org_id,
    }
    return {prefix + what: text for what, text in given.items() if text is not None}


def _from(variable: str | None, environment: Environment, where: str) -> str | None:
    if variable is None:
        return None
    value = environment.get(variable, "").strip()
    if not value:
        raise SettingError(VARIABLE, f"{where}: the variable {variable[:60]} is not set.")
    return value
