"""Reads usage files row by row: CSV with a header, or one JSON object a line."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

type Value = str | Decimal
type Row = Mapping[str, Value]

JSON_SUFFIXES = frozenset({".ndjson", ".jsonl", ".json"})
MILLISECONDS_FROM = Decimal(10) ** 11
"""Epoch times at least this large count milliseconds: as seconds they lie past the year 5000."""


class BadFile(Exception):
    """The file cannot be replayed as asked; the message names the row and what to do."""


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Every row with its number, the first being 1. Raises ``BadFile``."""
    reader = _read_json if path.suffix.lower() in JSON_SUFFIXES else _read_csv
    try:
        yield from reader(path)
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not UTF-8 text") from error


def _read_csv(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="", restval="")
        for number, row in enumerate(reader, 1):
            if "" in row:
                raise BadFile(f"row {number} has more values than the header has names")
            yield number, row


def _read_json(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate((text for text in file if not text.isspace()), 1):
            try:
                document = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            except ValueError as error:
                raise BadFile(f"row {number} is not JSON: {error}") from error
            if not isinstance(document, dict):
                raise BadFile(f"row {number} is not a JSON object")
            yield number, dict(_flat(document, ""))


def _flat(document: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Value]]:
    """Nested objects as dotted names; what is empty is left out."""
    for name, value in document.items():
        match value:
            case dict():
                yield from _flat(value, f"{prefix}{name}.")
            case str() | Decimal():
                yield prefix + name, value
            case None:
                continue
            case _:
                yield prefix + name, json.dumps(value, default=str)


def value_of(number: int, row: Row, column: str) -> Value:
    """The value in a column. Raises ``BadFile`` naming the columns there are."""
    value = row.get(column)
    if value is None or value == "":
        raise BadFile(f"row {number} has no {column}; it has: {', '.join(row)}")
    return value


def time_of(number: int, value: Value, *, assume_utc: bool) -> datetime:
    """A moment in UTC: ISO 8601 with any number of digits, or an epoch time. Raises ``BadFile``."""
    text = str(value).strip()
    try:
        if isinstance(value, Decimal) or text.replace(".", "", 1).isdigit():
            epoch = Decimal(text)
            return datetime.fromtimestamp(
                float(epoch / 1000 if epoch >= MILLISECONDS_FROM else epoch), UTC
            )
        moment = datetime.fromisoformat(text)
    except (ValueError, ArithmeticError, OSError) as error:
        raise BadFile(
            f"row {number}: {text!r} is not a time such as 2026-11-22T08:30:00Z"
        ) from error
    if moment.tzinfo is None:
        if not assume_utc:
            raise BadFile(f"row {number}: {text!r} names no zone; is it UTC? then add --assume-utc")
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Survey:
    """A file at a glance: rows, first and last time, its customers in order of appearance."""

    rows: int
    first: datetime
    last: datetime
    customers: tuple[str, ...]
    digest: str


def survey(
    path: Path, time_column: str, customer_column: str | None, *, assume_utc: bool
) -> Survey:
    """Look once through the whole file. Raises ``BadFile``, also when it has no row."""
    first, last, rows = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), 0
    customers: dict[str, None] = {}
    for number, row in read_rows(path):
        moment = time_of(number, value_of(number, row, time_column), assume_utc=assume_utc)
        first, last, rows = min(first, moment), max(last, moment), number
        if customer_column is not None:
            customers[str(value_of(number, row, customer_column))] = None
    if not rows:
        raise BadFile(f"{path} has no rows")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Survey(rows, first, last, tuple(customers), digest)
