"""One line an event, `key=value`, through the standard logger; correlation ids carried along."""

import json
import logging
from contextvars import ContextVar

_LOGGER = logging.getLogger("metering")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+@")

correlation: ContextVar[str] = ContextVar("correlation", default="")
"""The ``x-ms-correlationid`` of the request being handled, empty outside of one."""


def event(name: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event. Never pass a token, an e-mail address or a body."""
    parts = [f"event={name}"]
    parts += [f"{key}={_value(value)}" for key, value in fields.items() if value is not None]
    if current := correlation.get():
        parts.append(f"correlation={_value(current)}")
    _LOGGER.log(level, " ".join(parts))


def _value(value: object) -> str:
    """Plain text as it is, everything else quoted, so that one event is always one line."""
    text = str(value)
    return text if text and all(c in _PLAIN for c in text) else json.dumps(text)
