"""`fleexmon redact`: print a text with its secrets replaced, as it would be shown, sent to an agent or posted.

Here: options, reading in bounded memory, printing. What a secret is: `redaction/`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from fleexmon_pipeline.commands.options import Json
from fleexmon_pipeline.commands.screen.progress import waiting
from fleexmon_pipeline.commands.terminal import CommandError, print_json
from fleexmon_pipeline.encoding import EncodingError, file_chunks
from fleexmon_pipeline.errors import FleexmonError
from fleexmon_pipeline.redaction.redact import redact_lines

MAX_LINE_BYTES = 10_000_000  # a longer line is not a log line, and secrets could not be found in pieces of it
MAX_FOUND = 100_000  # positions in the JSON document; counts include all

app = typer.Typer(add_completion=False)


@app.command()
def redact(
    file: Annotated[str, typer.Argument(help="A text file, also .gz or .zst, or - for standard input.")],
    as_json: Json = False,
) -> None:
    """Replace secrets in a text, as in everything that leaves the database. Needs no database.

    With --json, prints the positions of the secrets instead of the text, counted from 1, never the secrets themselves:
    {"lines", "changed", "kinds", "found": [{"line", "column", "length", "kind"}]}.
    """
    name = "standard input" if file == "-" else file
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
            lines = text_lines(file_chunks(stream))
            if as_json:
                with waiting("reading lines"):
                    places = _places(lines)
                print_json(places)
            else:
                sys.stdout.writelines(f"{text}\n" for text, _ in redact_lines(lines))
    except (EncodingError, TextError) as error:
        raise CommandError(f"{name}: {error}") from None


class TextError(FleexmonError):
    """The input cannot be redacted; the message says why."""


def text_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends. Raises TextError for binary or empty input, and for a line without an end."""
    rest, number = b"", 0
    for chunk in chunks:
        if b"\0" in chunk[:1_000] and not number:
            raise TextError("is not text. Pass lines of a log")
        *whole, rest = (rest + chunk).split(b"\n")
        number += len(whole)
        for line in whole:
            yield line.decode("utf-8", "replace").removesuffix("\r")
        if len(rest) > MAX_LINE_BYTES:
            raise TextError(
                f"line {number + 1:,} has more than {MAX_LINE_BYTES:,} bytes and no end. Lines before it are redacted"
            )
    if rest:
        yield rest.decode("utf-8", "replace")
    elif not number:
        raise TextError("is empty. Check the path or the pipe")


def _places(lines: Iterable[str]) -> dict[str, object]:
    kinds: Counter[str] = Counter()
    places: list[dict[str, int | str]] = []
    number = changed = 0
    for number, (_, matches) in enumerate(redact_lines(lines), 1):
        changed += bool(matches)
        kinds.update(match.kind for match in matches)
        if len(places) < MAX_FOUND:
            places += [
                {"line": number, "column": match.column, "length": match.length, "kind": match.kind}
                for match in matches
            ]
    return {"lines": number, "changed": changed, "kinds": dict(sorted(kinds.items())), "found": places[:MAX_FOUND]}
