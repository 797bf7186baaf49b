"""Usage events on the wire: single, array, wrapped, or CloudEvents; every fault named."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import cast

from shared.api.body import well_formed
from shared.api.problem import Response
from shared.domain.catalog.custom_usage import CUSTOM_METER
from shared.domain.errors import FieldError, InvalidInput
from shared.domain.ids import AccountCode, MeterCode, is_code
from shared.domain.usage.event import (
    MAX_FIELDS,
    MAX_ID,
    MAX_TEXT,
    DataValue,
    Outcome,
    UsageEvent,
)
from shared.services.ingest_usage import EventResult, IngestUsage

MAX_EVENTS = 1_000
ROOM_AFTER = 60
"""Seconds after which there may be room to park an event: people have to do something first."""

_is_code = lru_cache(maxsize=4_096)(is_code)

_FIELDS = frozenset({"id", "account", "meter", "time", "data", "source"})
_CUSTOM_DATA = frozenset({"unit", "unitPrice", "currency", "description", "quantity"})
_CUSTOM_FIELDS = _CUSTOM_DATA | {"billable"}
_CUSTOM = _CUSTOM_FIELDS | {"id", "account", "time", "source"}
_CLOUD_FIELDS = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype"}
)


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that is no event, with its faults; ``id`` is what could be read of it."""

    id: str
    errors: tuple[FieldError, ...]


def event_list(document: object) -> list[object]:
    """The events of a request body as they are: one, an array, or ``{"events": [...]}``.

    Raises ``InvalidInput`` when the body is no list of 1 to 1,000 objects.
    """
    if isinstance(document, dict) and "events" in document:
        unknown = sorted(document.keys() - {"events"})
        if unknown:
            message = "is unknown beside events"
            raise InvalidInput("unknown fields", [FieldError(f"/{n}", message) for n in unknown])
        document = document["events"]
    events = document if isinstance(document, list) else [document]
    if not events:
        raise InvalidInput("the request has no event")
    if len(events) > MAX_EVENTS:
        raise InvalidInput(f"the request has {len(events):,} events; at most {MAX_EVENTS:,} fit")
    return events


def parse_event(raw: object) -> UsageEvent | Refused:
    """One event, or everything that is wrong with it."""
    if not isinstance(raw, dict):
        return Refused("", (FieldError("", "must be an object"),))
    custom = False
    if "specversion" in raw:
        raw, faults = _from_cloud_event(raw)
    elif raw.keys() <= _FIELDS:
        faults = []
    elif custom := _is_custom(raw):
        raw, faults = _from_custom_usage(raw)
    else:
        faults = [FieldError(f"/{n}", "is not a field of an event") for n in raw.keys() - _FIELDS]
    id_ = _text(raw, "id", MAX_ID, faults)
    source = _text(raw, "source", MAX_ID, faults) if raw.get("source") is not None else ""
    account = _code(raw, "account", faults)
    meter = _code(raw, "meter", faults)
    time = _time(raw, faults)
    data = _data(raw, faults)
    if custom:
        faults = [_on_top(fault) for fault in faults]
    if faults or time is None:
        return Refused(id_, tuple(faults))
    return UsageEvent(id_, AccountCode(account), MeterCode(meter), time, data, source)


def _from_cloud_event(raw: dict[str, object]) -> tuple[dict[str, object], list[FieldError]]:
    """CloudEvents 1.0: ``subject`` is the account, ``type`` the meter. Extensions are allowed."""
    faults: list[FieldError] = []
    if raw["specversion"] != "1.0":
        faults.append(FieldError("/specversion", "must be 1.0"))
    names = {"subject": "account", "type": "meter"}
    known = {names.get(name, name): raw[name] for name in raw.keys() & _CLOUD_FIELDS}
    return known, faults


def _is_custom(raw: object) -> bool:
    return isinstance(raw, dict) and "specversion" not in raw and bool(raw.keys() & _CUSTOM_FIELDS)


def _from_custom_usage(raw: dict[str, object]) -> tuple[dict[str, object], list[FieldError]]:
    """Usage that names its own unit and price (semantics, rule 28), as usage of its meter."""
    why = "is not a field of usage that names its own price"
    faults = [FieldError(f"/{_escaped(name)}", why) for name in raw.keys() - _CUSTOM]
    data = {name: raw[name] for name in raw.keys() & _CUSTOM_DATA}
    match raw.get("billable", True):
        case bool(billable):
            data["billable"] = str(billable).lower()
        case _:
            faults.append(FieldError("/billable", "must be true or false"))
    known = {name: raw[name] for name in raw.keys() & _FIELDS}
    return {**known, "meter": CUSTOM_METER, "data": data}, faults


def _on_top(fault: FieldError) -> FieldError:
    """A fault of custom usage, whose fields stand beside the account and not in data."""
    inside, path = fault.pointer.startswith("/data/"), fault.pointer.removeprefix("/data")
    return replace(fault, pointer=path) if inside else fault


def _text(raw: dict[str, object], name: str, limit: int, faults: list[FieldError]) -> str:
    value = raw.get(name)
    if isinstance(value, str) and 0 < len(value) <= limit and value.isascii():
        return value
    if value is None:
        faults.append(FieldError(f"/{name}", "is required"))
        return ""
    if not isinstance(value, str) or not value:
        faults.append(FieldError(f"/{name}", "must be text"))
        return ""
    if len(value) > limit:
        faults.append(FieldError(f"/{name}", f"must have at most {limit} characters"))
        return value[:limit]
    if not well_formed(value):
        faults.append(FieldError(f"/{name}", "must be well-formed Unicode text"))
        return ""
    return value


def _code(raw: dict[str, object], name: str, faults: list[FieldError]) -> str:
    before = len(faults)
    value = _text(raw, name, 64, faults)
    if not _is_code(value) and len(faults) == before:
        message = "must be a code: letters, digits, '.', '_' or '-', not starting with a sign"
        faults.append(FieldError(f"/{name}", message))
    return value


def _time(raw: dict[str, object], faults: list[FieldError]) -> datetime | None:
    value = raw.get("time")
    if value is None:
        faults.append(FieldError("/time", "is required: it is part of the event's identity"))
        return None
    if not isinstance(value, str) or "T" not in value.upper() or len(value) > 40:
        faults.append(FieldError("/time", "must be an RFC 3339 time such as 2026-11-22T08:30:00Z"))
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        faults.append(FieldError("/time", "must be an RFC 3339 time such as 2026-11-22T08:30:00Z"))
        return None
    if moment.tzinfo is None:
        faults.append(FieldError("/time", "must name its zone, such as Z or +01:00"))
        return None
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        faults.append(FieldError("/time", "is out of range"))
        return None


def _data(raw: dict[str, object], faults: list[FieldError]) -> dict[str, DataValue]:
    value = raw.get("data", {})
    if not isinstance(value, dict):
        faults.append(FieldError("/data", "must be an object"))
        return {}
    if len(value) > MAX_FIELDS:
        faults.append(FieldError("/data", f"must have at most {MAX_FIELDS} fields"))
        return {}
    for name, item in value.items():
        fault = _fault_of_item(name, item)
        if fault is not None:
            faults.append(FieldError(f"/data/{_escaped(name)}", fault))
    return cast(dict[str, DataValue], value)


def _fault_of_item(name: str, item: object) -> str | None:
    if not _is_code(name):
        return "is not a possible field name"
    if isinstance(item, Decimal):
        return None
    if not isinstance(item, str):
        return "must be a number or text"
    if len(item) > MAX_TEXT:
        return f"must have at most {MAX_TEXT} characters"
    return None if well_formed(item) else "must be well-formed Unicode text"


def _escaped(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901); what cannot be shown is replaced."""
    shown = name.encode(errors="replace").decode()[:64]
    return shown.replace("~", "~0").replace("/", "~1")


def results_body(results: Sequence[EventResult]) -> str:
    """The answer that names every event's outcome, and how many had which."""
    counts = dict.fromkeys(Outcome, 0)
    listed: list[dict[str, object]] = []
    for result in results:
        counts[result.outcome] += 1
        item: dict[str, object] = {"id": result.id, "outcome": result.outcome.value}
        if result.errors:
            item["errors"] = [
                {"pointer": error.pointer, "message": error.message} for error in result.errors
            ]
        if result.retry:
            item["retry"] = True
        listed.append(item)
    totals: dict[str, object] = {outcome.value: count for outcome, count in counts.items()}
    return json.dumps({**totals, "results": listed}, ensure_ascii=False)


def ingest(
    service: IngestUsage, document: object, allowed: frozenset[AccountCode] | None
) -> list[EventResult]:
    """Hand the good events of a document to the service; results in the document's order."""
    listed = event_list(document)
    parsed = [parse_event(event) for event in listed]
    events = [event for event in parsed if isinstance(event, UsageEvent)]
    outcomes = iter(service(events, allowed=allowed))
    results: list[EventResult] = []
    for raw, event in zip(listed, parsed, strict=True):
        if isinstance(event, Refused):
            results.append(EventResult(event.id, Outcome.INVALID, event.errors))
            continue
        result = next(outcomes)
        if result.errors and _is_custom(raw):
            result = replace(result, errors=tuple(_on_top(fault) for fault in result.errors))
        results.append(result)
    return results


def results_response(results: Sequence[EventResult]) -> Response:
    """202 when at least one event is kept; otherwise 503 when one may be kept later, or 400."""
    body = results_body(results)
    if any(result.outcome is not Outcome.INVALID for result in results):
        return Response(202, body)
    if any(result.retry for result in results):
        return Response(503, body, {"Retry-After": str(ROOM_AFTER)})
    return Response(400, body)
