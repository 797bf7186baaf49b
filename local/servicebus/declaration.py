"""Reads the declaration of queues that the deployment and the local broker share.

The file is a JSON array of ``{"name": …, "properties": …}`` with the property names of
Microsoft.ServiceBus/namespaces/queues; durations are ISO 8601.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.servicebus.entity.config import (
    MAX_DELIVERY_COUNT,
    MAX_DUPLICATE_WINDOW,
    MAX_LOCK_DURATION,
    MIN_DUPLICATE_WINDOW,
    QueueConfig,
)

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,258}[A-Za-z0-9])?")
_DURATION = re.compile(
    r"P(?=.)(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_DEFAULT_WINDOW = timedelta(minutes=10)
_WITHOUT_EFFECT = frozenset({"maxSizeInMegabytes", "enableBatchedOperations", "enableExpress"})
"""Properties that change nothing on one machine."""


class DeclarationError(ValueError):
    """The declaration cannot be used; the message names every fault, one a line."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a property is read; ``read`` returns the value or raises ``ValueError`` with words."""

    field: str
    read: Callable[[Any], Any]


def load_queues(path: Path) -> list[QueueConfig]:
    """The queues declared in a file; raises ``DeclarationError``, or ``OSError`` without a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise DeclarationError(f"{path}: not JSON: {exc}") from exc
    try:
        return parse_queues(document)
    except DeclarationError as exc:
        raise DeclarationError(f"{path}:\n{exc}") from exc


def parse_queues(document: object) -> list[QueueConfig]:
    """The queues of a decoded declaration; raises ``DeclarationError`` with all its faults."""
    if not isinstance(document, list) or not document:
        raise DeclarationError("the declaration must be a non-empty array of queues")
    faults: list[str] = []
    queues: list[QueueConfig] = []
    names: set[str] = set()
    for index, entry in enumerate(document):
        found = list(_entry_faults(entry, names))
        faults += [f"/{index}{pointer}: {text}" for pointer, text in found]
        if not found:
            queues.append(_config(entry))
    if faults:
        raise DeclarationError("\n".join(faults))
    return queues


def _entry_faults(entry: object, names: set[str]) -> Iterator[tuple[str, str]]:
    if not isinstance(entry, dict):
        yield "", "must be an object"
        return
    for key in sorted(entry.keys() - {"name", "properties"}):
        yield f"/{key}", "is not known; a queue has 'name' and 'properties'"
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield "/name", "must be 1 to 260 letters, digits, '.', '_', '-' or '/'"
    elif name.lower() in names:
        yield "/name", f"'{name}' is declared twice"
    else:
        names.add(name.lower())
    properties = entry.get("properties", {})
    if not isinstance(properties, dict):
        yield "/properties", "must be an object"
        return
    for key, value in properties.items():
        fault = _property_fault(key, value)
        if fault is not None:
            yield f"/properties/{key}", fault


def _property_fault(key: str, value: object) -> str | None:
    if key in _WITHOUT_EFFECT:
        return None
    rule = _RULES.get(key)
    if rule is None:
        return "is not a property the local broker knows how to honour"
    try:
        rule.read(value)
    except ValueError as exc:
        return str(exc)
    return None


def _config(entry: dict[str, Any]) -> QueueConfig:
    properties = entry.get("properties", {})
    values = {
        _RULES[key].field: _RULES[key].read(value)
        for key, value in properties.items()
        if key not in _WITHOUT_EFFECT
    }
    detects = values.pop("requires_duplicate_detection", False)
    window = values.pop("duplicate_window", _DEFAULT_WINDOW)
    return QueueConfig(entry["name"], duplicate_window=window if detects else None, **values)


def parse_duration(text: object) -> timedelta:
    """An ISO 8601 duration of days, hours, minutes and seconds; raises ``ValueError``."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"must be an ISO 8601 duration such as PT1M30S, not {text!r}")
    try:
        return timedelta(**{unit: float(n) for unit, n in match.groupdict().items() if n})
    except OverflowError:
        return timedelta.max


def _duration(least: timedelta, most: timedelta) -> Callable[[Any], timedelta]:
    def read(value: object) -> timedelta:
        duration = parse_duration(value)
        if not least <= duration <= most:
            raise ValueError(f"must be from {least} to {most}")
        return duration

    return read


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, not {value!r}")
    if not 1 <= value <= MAX_DELIVERY_COUNT:
        raise ValueError(f"must be from 1 to {MAX_DELIVERY_COUNT}")
    return value


_SECOND = timedelta(seconds=1)
_RULES = {
    "lockDuration": _Rule("lock_duration", _duration(timedelta(seconds=5), MAX_LOCK_DURATION)),
    "maxDeliveryCount": _Rule("max_delivery_count", _count),
    "requiresSession": _Rule("requires_session", _flag),
    "requiresDuplicateDetection": _Rule("requires_duplicate_detection", _flag),
    "duplicateDetectionHistoryTimeWindow": _Rule(
        "duplicate_window", _duration(MIN_DUPLICATE_WINDOW, MAX_DUPLICATE_WINDOW)
    ),
    "defaultMessageTimeToLive": _Rule("time_to_live", _duration(_SECOND, timedelta.max)),
    "deadLetteringOnMessageExpiration": _Rule("dead_lettering_on_expiration", _flag),
}
