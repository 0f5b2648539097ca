"""Records as Parquet: typed columns for simple values, JSON text for structured ones.

Here: from a line of NDJSON to a row, and back to the same bytes. Needs pyarrow, the extra `parquet`. A time outside the
years 1 to 9999 is stored as text in a second column, and is null in the column of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import msgspec

from fleexmon_pipeline.transfer.records import Kind, TransferError
from fleexmon_pipeline.window import EPOCH

ROW_GROUP = 50_000
BATCH = 5_000
# In the order of a record's members, so that reading gives the same bytes again.
_FIELDS: Mapping[Kind, Mapping[str, str]] = {
    "logs": {
        "Timestamp": "time", "SeverityText": "text", "SeverityNumber": "number", "Body": "text", "Resource": "resource",
        "fleexmon": "json", "ObservedTimestamp": "time", "TraceId": "text", "Attributes": "json",
    },
    "issues": {
        "Timestamp": "time", "SeverityText": "text", "SeverityNumber": "number", "Body": "text", "fleexmon": "json",
        "EventName": "text", "Attributes": "json",
    },
}  # fmt: skip
_RESOURCE = ("service.name", "host.name")
_STORABLE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_MICROSECOND = timedelta(microseconds=1)
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_strings = msgspec.json.Decoder(dict[str, str])


def require_pyarrow() -> None:
    """Raises TransferError if pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415  an extra
    except ImportError:
        raise TransferError(
            "Parquet needs the package pyarrow: pip install 'fleexmon-pipeline[parquet]'. Or export NDJSON."
        ) from None


def write_rows(file: IO[bytes], kind: Kind, batches: Iterable[Sequence[bytes]]) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    schema = pa.schema(list(_columns(kind, pa)))
    waiting: list[dict[str, Any]] = []
    with ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            waiting += [_row(kind, line) for line in batch]
            if len(waiting) >= ROW_GROUP:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting.clear()
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema))


def read_rows(path: Path, kind: Kind) -> Iterator[bytes]:
    """Read the rows as lines of NDJSON. Raises TransferError if the file is not one of ours."""
    require_pyarrow()
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    times = [name for name, form in _FIELDS[kind].items() if form == "time"]
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                table = pa.Table.from_batches([batch])
                for name in times:
                    index = table.schema.get_field_index(name)
                    table = table.set_column(index, name, table.column(name).cast(pa.int64()))
                yield from (_line(kind, row) for row in table.to_pylist())
    except (pa.ArrowException, KeyError) as error:
        raise TransferError(f"{path.name} is not what was exported: {str(error).strip()[:200]}.") from None


def _columns(kind: Kind, pa: Any) -> Iterator[tuple[str, Any]]:
    for name, form in _FIELDS[kind].items():
        match form:
            case "time":
                yield name, pa.timestamp("us", tz="UTC")
                yield f"{name}Text", pa.string()
            case "resource":
                yield from ((part, pa.string()) for part in _RESOURCE)
            case "number":
                yield name, pa.int8()
            case _:
                yield name, pa.string()


def _row(kind: Kind, line: bytes) -> dict[str, Any]:
    fields, row = _raws.decode(line), dict[str, Any]()
    for name, form in _FIELDS[kind].items():
        raw = fields.get(name)
        if raw is None:
            continue
        match form:
            case "time":
                text = _text.decode(raw)
                is_storable = _STORABLE_TIME.fullmatch(text) is not None
                row[name if is_storable else f"{name}Text"] = _microseconds(text) if is_storable else text
            case "resource":
                row |= _strings.decode(raw)
            case "json":
                row[name] = bytes(raw).decode()
            case _:
                row[name] = msgspec.json.decode(raw)
    return row


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // _MICROSECOND


def _line(kind: Kind, row: Mapping[str, Any]) -> bytes:
    record: dict[str, Any] = {}
    for name, form in _FIELDS[kind].items():
        if form == "resource":
            record[name] = {part: row[part] for part in _RESOURCE}
        elif form == "time" and row[name] is not None:
            moment = EPOCH + row[name] * _MICROSECOND
            record[name] = f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        elif form == "time":
            record[name] = row[f"{name}Text"]
        elif row[name] is not None:
            record[name] = msgspec.Raw(row[name].encode()) if form == "json" else row[name]
    return msgspec.json.encode({name: value for name, value in record.items() if value is not None})
