"""Domain values as JSON: camelCase names, exact numbers, times in UTC with Z."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum

from shared.domain.errors import InvalidInput
from shared.domain.money import to_text
from shared.domain.wire import camel

type Json = bool | int | str | list["Json"] | dict[str, "Json"] | None


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str, name: str) -> datetime:
    """An RFC 3339 time with zone. Raises ``InvalidInput`` that names the parameter."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput(f"{name} must be a time such as 2026-11-22T08:00:00Z") from exc
    if moment.tzinfo is None:
        raise InvalidInput(f"{name} must name its zone, such as Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise InvalidInput(f"{name} is out of range") from exc


def to_json(value: object) -> Json:
    """A domain value as plain JSON values; decimals as text, so nobody loses digits."""
    match value:
        case None | bool() | int():
            return value
        case Decimal():
            return to_text(value)
        case Enum():
            return str(value.value)
        case str():
            return str(value)
        case datetime():
            return time_text(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case Iterable():
            return [to_json(item) for item in value]
    if is_dataclass(value):
        return {camel(f.name): to_json(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"{type(value).__name__} has no spelling on the wire")


def body(value: object) -> str:
    """JSON text of a domain value."""
    return json.dumps(to_json(value), ensure_ascii=False)


def listed(name: str, items: Sequence[object] | Iterable[object]) -> str:
    """JSON text of a list under a name, so that more can be said beside it later."""
    return json.dumps({name: [to_json(item) for item in items]}, ensure_ascii=False)
