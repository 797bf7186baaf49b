"""Turns rows into usage events: whose, when, under which id, with which measured values."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from local.replay.rows import BadFile, Row, Value, read_rows, time_of, value_of

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_TICK = timedelta(microseconds=1)

type Shift = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns mean what."""

    meter: str
    time_column: str
    fields: Mapping[str, str]
    """Data fields by column."""
    id_column: str | None = None
    source: str | None = None
    assume_utc: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One event ready to be sent, and what a check of the bill needs of it."""

    row: int
    account: str
    time: datetime
    data: Mapping[str, Value]
    text: str


type Assign = Callable[[int, Row], str]
"""The account of a row, given its number."""


def events(path: Path, shape: Shape, assign: Assign, shift: Shift) -> Iterator[Event]:
    """The file's events in its order; equal input gives equal events, ids included.

    Raises ``BadFile``.
    """
    for number, row in read_rows(path):
        moment = time_of(
            number, value_of(number, row, shape.time_column), assume_utc=shape.assume_utc
        )
        time = shift(moment)
        account = assign(number, row)
        data = {
            field: _measured(value_of(number, row, column))
            for column, field in shape.fields.items()
        }
        head = {
            "id": f"{path.name}:{number}"
            if shape.id_column is None
            else str(value_of(number, row, shape.id_column)),
            "account": account,
            "meter": shape.meter,
            "time": time.isoformat(),
        }
        if shape.source is not None:
            head["source"] = shape.source
        body = ",".join(f"{json.dumps(name)}:{_json(value)}" for name, value in data.items())
        text = f'{json.dumps(head)[:-1]}, "data": {{{body}}}}}'
        yield Event(number, account, time, data, text)


def _measured(value: Value) -> Value:
    """Text that spells a number is one."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    return value


def _json(value: Value) -> str:
    """Exact digits: a float in between could lose some."""
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


def stretched(first: datetime, last: datetime, start: datetime, end: datetime) -> Shift:
    """Maps [first, last] onto [start, end] evenly, so that the order stays."""
    length, target = (last - first) // _TICK, (end - start) // _TICK

    def shift(moment: datetime) -> datetime:
        if not length:
            return end
        return start + (moment - first) // _TICK * target // length * _TICK

    return shift


def unshifted(moment: datetime) -> datetime:
    """Times as they are."""
    return moment


def parse_map(entries: list[str]) -> dict[str, str]:
    """``column=field`` options as a mapping. Raises ``BadFile``."""
    fields: dict[str, str] = {}
    for entry in entries:
        column, equals, field = entry.partition("=")
        if not (column and field) and equals:
            raise BadFile(f"--map {entry}: write column=field")
        fields[column] = field or column
    return fields
