"""Give a body to the splitter in chunks, and collect what it finds."""

from __future__ import annotations

from collections.abc import Iterator

from fleexmon_pipeline.collection.answers.splitter import Splitter


def chunks_of(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def split(body: bytes, size: int = 1_000) -> tuple[list[bytes], str | None]:
    splitter = Splitter()
    return [bytes(raw) for run in splitter.runs(chunks_of(body, size)) for raw in run], splitter.broken
