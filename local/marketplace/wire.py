"""What travels over HTTP: calls, replies, JSON with exact decimals, timestamps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final, NoReturn

from local.marketplace.faults import Fault

API_VERSION: Final = "2018-08-31"
_PLAIN_EXPONENT: Final = 40


class Malformed(ValueError):
    """A body that is not the JSON it should be."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, read completely; header names are in lower case.

    ``fault`` is the batch fault that strikes it, where there is one.
    """

    method: str
    path: str
    base_url: str
    now: datetime
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; ``body`` is JSON material, text for a page, or None for no body."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def rendered(self) -> bytes:
        """The bytes of the body."""
        if self.body is None:
            return b""
        if self.media_type != "application/json":
            return str(self.body).encode()
        return dumps(self.body).encode()


def _refuse_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not a JSON number")


def loads(body: bytes | str) -> object:
    """Parse JSON, keeping every fraction as the exact decimal that was sent.

    Raises Malformed for anything that is not strict JSON.
    """
    try:
        value: object = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    return value


def load_object(body: bytes) -> dict[str, object]:
    """Parse a JSON object; an empty body is an empty object. Raises Malformed."""
    value = loads(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise Malformed("a JSON object is expected")
    return value


def _number(value: Decimal) -> str:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise TypeError("JSON knows no infinities and no NaN")
    if abs(exponent) > _PLAIN_EXPONENT:
        return str(value)
    text = format(value, "f")
    return text if "." in text else f"{text}.0"


def _scalar(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case int():
            return int.__repr__(value)
        case Decimal():
            return _number(value)
        case float():
            return _number(Decimal(repr(value)))
        case datetime():
            return _quoted(stamp(value))
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def dumps(value: object) -> str:
    """JSON text in which a decimal is a number with exactly its own digits.

    The standard encoder knows floats only and would round; whole decimals keep a ``.0`` because
    the Marketplace answers doubles.
    """
    if isinstance(value, dict):
        pairs = (f"{_quoted(str(key))}:{dumps(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    return _scalar(value)


def stamp(moment: datetime, *, zone: bool = True) -> str:
    """A UTC timestamp of the Marketplace, with or without its ``Z``."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text}Z" if zone else text


def parse_time(text: str) -> datetime:
    """An ISO 8601 time; one without zone is UTC. Raises Malformed."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{text!r} is not an ISO 8601 time") from error
