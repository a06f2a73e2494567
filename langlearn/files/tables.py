"""The rows of a CSV, JSONL or Parquet file that may be damaged: a broken row is named, and costs nothing but itself.

A row is numbered as a spreadsheet does: the header of a CSV is row 1; lines of JSONL and records of Parquet count
from 1. Messages name files, rows and columns, never what is in them: it may be about patients.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langlearn.config import ROOT
from langlearn.errors import UserError

FORMATS = (".csv", ".jsonl", ".parquet")
# A NUL while CSV is parsed, for Python 3.10's csv refuses a real one. Undecodable bytes become U+DC80 to U+DCFF.
_NUL = "\udc00"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Table:
    """A file's column names, and its rows: (number, {column: value}, or what is wrong with the row)."""

    columns: list[str]
    rows: Iterator[tuple[int, dict[str, Any] | str]]
    content: bytes


def read(path: Path, wanted: Sequence[str]) -> Table:
    """The table in `path`; `wanted` are columns it should have, which tells how a CSV is delimited.

    Raises UserError for a file that cannot be read as what its name says.
    """
    content = _content(path)
    if path.suffix.lower() == ".parquet":
        columns, rows = _parquet(path, content)
        return Table(columns, rows, content)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{shown_path(path)} is UTF-16: save it as UTF-8")
    text = content.decode("utf-8-sig", errors="surrogateescape")
    columns, rows = _jsonl(path, text) if path.suffix.lower() == ".jsonl" else _csv(path, text, wanted)
    return Table(columns, rows, content)


def damage(text: str) -> str | None:
    """What no text may hold, if `text` does."""
    if "\0" in text or _NUL in text:
        return "holds a NUL"
    return "is not UTF-8" if _SURROGATE.search(text) else None


def shown_path(path: Path) -> str:
    """As a message names it: from the project's root where it is below."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def shown_name(name: str) -> str:
    """A column's name, short and printable whatever the file says."""
    return name if len(name) <= 40 and name.isprintable() else ascii(name[:32])[1:-1] + "…"


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
    if not content.strip():
        raise UserError(f"{shown_path(path)} is empty: it needs a header and rows")
    if content.startswith(b"version https://git-lfs"):
        raise UserError(f"{shown_path(path)} is a Git LFS pointer, not the data: run `git lfs pull` in its folder")
    return content


def _csv(path: Path, text: str, wanted: Sequence[str]) -> tuple[list[str], Iterator[tuple[int, Any]]]:
    text = text.replace("\0", _NUL)
    records = _records(text, _delimiter(text, wanted))
    number, header = next(records, (1, "it is missing"))
    if isinstance(header, str):
        raise UserError(f"{shown_path(path)}: row {number}, the header: {header}; mend it")
    columns = [name.strip() for name in header]
    for name in wanted:
        if columns.count(name) > 1:
            raise UserError(f"{shown_path(path)} has {columns.count(name)} columns '{name}': rename all but one")

    def rows() -> Iterator[tuple[int, Any]]:
        for row, fields in records:
            if isinstance(fields, str):
                yield row, fields
            elif len(fields) != len(columns):
                yield row, f"number of fields is {len(fields)}, not {len(columns)}"
            else:
                yield row, dict(zip(columns, fields))

    return columns, rows()


def _delimiter(text: str, wanted: Sequence[str]) -> str:
    """A comma, unless the header shows one of the others that spreadsheets write."""
    header = text[:10_000].splitlines()[:1]
    for delimiter in ",;\t":
        if set(wanted) <= {name.strip() for name in next(csv.reader(header, delimiter=delimiter), [])}:
            return delimiter
    return ","


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """(row, its fields, or what is wrong); blank lines count as rows but are left out.

    A quote without its partner costs its own line. Read leniently, it would swallow everything up to the next
    quote, or to the end of the file, in silence.
    """
    lines = list(io.StringIO(text, newline=""))
    position = row = 0

    def remaining() -> Iterator[str]:
        nonlocal position
        while position < len(lines):
            position += 1
            yield lines[position - 1]

    reader = csv.reader(remaining(), delimiter=delimiter, strict=True)
    while True:
        first = position
        row += 1
        # One limit for the whole process, 131,072 by default: raised for this call only, to the most Windows takes.
        limit = csv.field_size_limit(2**31 - 1)
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            position = first + 1
            reader = csv.reader(remaining(), delimiter=delimiter, strict=True)
            yield row, "quotes do not match"
            continue
        finally:
            csv.field_size_limit(limit)
        if fields:
            yield row, fields


def _jsonl(path: Path, text: str) -> tuple[list[str], Iterator[tuple[int, Any]]]:
    rows: list[tuple[int, Any]] = []
    columns: dict[str, None] = {}
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            rows.append((row, "not valid JSON"))
            continue
        if isinstance(record, dict):
            columns |= dict.fromkeys(record)
        rows.append((row, record if isinstance(record, dict) else "not a JSON object"))
    if not columns:
        raise UserError(f"{shown_path(path)} holds no JSON object: each line must be one, such as a case")
    return list(columns), iter(rows)


def _parquet(path: Path, content: bytes) -> tuple[list[str], Iterator[tuple[int, Any]]]:
    import pyarrow  # here: most files are CSV, and this takes a while to load
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{shown_path(path)} is not a whole Parquet file: {type(error).__name__}") from None
    values = [_values(table.column(place)) for place in range(table.num_columns)]
    records = (dict(zip(table.column_names, record)) for record in zip(*values))
    return table.column_names, iter(enumerate(records, start=1))


def _values(column: Any) -> list[Any]:
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)):
        return column.to_pylist()
    # A Parquet string is whatever bytes its writer left there.
    raw = column.cast(pyarrow.large_binary()).to_pylist()
    return [value if value is None else value.decode("utf-8", errors="surrogateescape") for value in raw]
