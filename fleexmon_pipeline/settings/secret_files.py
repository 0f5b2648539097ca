"""Read secrets from a variable, or from the file that `…_FILE` names, as containers and systemd provide them.

Here: reading one. Each setting decides itself whether it is a secret. Neither secrets nor contents of files are shown.
"""

from __future__ import annotations

from pathlib import Path

from fleexmon_pipeline.settings.values import Environment, SettingError

MAX_BYTES = 100_000
_EXAMPLE = "/run/secrets/{}"


def secret(environment: Environment, variable: str) -> str | None:
    """The variable's value, or the text of the file that `<variable>_FILE` names; None if neither is set.

    Raises SettingError if both are set, or the file cannot be read or is empty. The file is read again each time, so a
    secret may be replaced while the product runs.
    """
    text, path = environment.get(variable, "").strip(), environment.get(_file_of(variable), "").strip()
    if not path:
        return text or None
    if text:
        raise SettingError(_file_of(variable), f"is set, and so is {variable}. Use one of the two.")
    return _read(_file_of(variable), path, _EXAMPLE.format(variable.lower()))


def is_set(environment: Environment, variable: str) -> bool:
    """Whether a secret is given, without reading it."""
    return any(environment.get(name, "").strip() for name in (variable, _file_of(variable)))


def _file_of(variable: str) -> str:
    return f"{variable}_FILE"


def _read(variable: str, path: str, example: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise SettingError(variable, f'"{path[:200]}" cannot be read: {reason}.', example) from None
    if len(content) > MAX_BYTES:
        raise SettingError(variable, f'"{path[:200]}" is larger than {MAX_BYTES:,} bytes.', example)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise SettingError(variable, f'"{path[:200]}" is not UTF-8 text.', example) from None
    if not text:
        raise SettingError(variable, f'"{path[:200]}" is empty.', example)
    return text
