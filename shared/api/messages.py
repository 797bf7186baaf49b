"""Usage messages of the queue: the same bodies as over HTTP, taken apart event by event."""

import json
from collections.abc import Mapping
from decimal import Decimal

from shared import telemetry
from shared.api.body import parse_json
from shared.api.usage import Refused, event_list, parse_event
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.money import to_text
from shared.services.take_message import Item, Unusable


def parse_message(body: bytes) -> list[Item | Unusable]:
    """The events of a message; a body that is no JSON at all is one unusable item."""
    try:
        events = event_list(parse_json(body))
    except InvalidInput as exc:
        errors = exc.fields or (FieldError("", str(exc)),)
        return [Unusable(body.decode(errors="replace"), errors)]
    return [_item(event) for event in events]


def report_taken(messages: int, counts: Mapping[str, int]) -> None:
    """Log what became of the events of some messages."""
    telemetry.event("usage_taken", messages=messages, **counts)


def _item(raw: object) -> Item | Unusable:
    parsed = parse_event(raw)
    text = json.dumps(raw, default=_number, ensure_ascii=False)
    if isinstance(parsed, Refused):
        return Unusable(text, parsed.errors)
    return Item(parsed, text)


def _number(value: object) -> object:
    """Decimals have no JSON spelling of their own; integers and text are exact."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else to_text(value)
    raise TypeError(f"{type(value).__name__} does not occur in parsed JSON")
