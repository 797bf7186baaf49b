"""Stored and domain forms of everything: JSON text in properties, numbers as text."""

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from shared.domain.ids import AccountCode, MeterCode
from shared.domain.usage.event import DataValue, UsageEvent, canonical_payload, quoted
from shared.domain.usage.partial import Partial, from_json, to_json
from shared.storage.limits import PROPERTY_BYTES, Property, utf16_bytes

if TYPE_CHECKING:
    from pydantic import TypeAdapter

type Properties = dict[str, Property]


dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""JSON in its shortest form."""


def pack(name: str, text: str) -> Properties:
    """``text`` as one readable property or, where it is too long for one, compressed in several."""
    if utf16_bytes(text) <= PROPERTY_BYTES:
        return {name: text}
    return pack_bytes(name, zlib.compress(text.encode(), 1))


def pack_bytes(name: str, packed: bytes) -> Properties:
    """``packed`` in as many properties as it needs."""
    starts = range(0, len(packed), PROPERTY_BYTES)
    return {f"{name}_{n}": packed[at : at + PROPERTY_BYTES] for n, at in enumerate(starts)}


def unpack(properties: Mapping[str, Property], name: str) -> str:
    """The inverse of ``pack``. Raises KeyError when there is no such text."""
    text = properties.get(name)
    if isinstance(text, str):
        return text
    return zlib.decompress(unpack_bytes(properties, name)).decode()


def unpack_bytes(properties: Mapping[str, Property], name: str) -> bytes:
    """The inverse of ``pack_bytes``. Raises KeyError when there is nothing of that name."""
    pieces: list[bytes] = []
    while isinstance(piece := properties.get(f"{name}_{len(pieces)}"), bytes):
        pieces.append(piece)
    if not pieces:
        raise KeyError(name)
    return b"".join(pieces)


def text_of(properties: Mapping[str, Property], name: str) -> str:
    """A text property. Raises KeyError or ValueError for anything else."""
    value = properties[name]
    if not isinstance(value, str):
        raise ValueError(f"stored {name} is text")
    return value


# --- usage: written for every event, so by hand


def event_text(event: UsageEvent, payload: str = "") -> str:
    """A whole event, so that it can be aggregated again: its identity and then its canonical
    ``payload``, which is made here unless it is given."""
    contents = payload or canonical_payload(event)
    return f"[{quoted(event.id)},{quoted(event.source)},{quoted(event.account)},{contents[1:]}"


def event_from(text: str) -> UsageEvent:
    """The inverse of ``event_text``."""
    identity, source, account, meter, time, data = json.loads(text)
    values: dict[str, DataValue] = {
        name: value[0] if isinstance(value, list) else Decimal(value)
        for name, value in data.items()
    }
    return UsageEvent(
        id=identity,
        account=AccountCode(account),
        meter=MeterCode(meter),
        time=datetime.fromisoformat(time),
        data=values,
        source=source,
    )


def partial_text(partial: Partial) -> str:
    """A partial."""
    return dumps(to_json(partial))


def partial_from(text: str) -> Partial:
    """The inverse of ``partial_text``."""
    return from_json(json.loads(text))


# --- everything else: by the shape of the domain's types


_ADAPTERS: "dict[type, TypeAdapter[Any]]" = {}


def _adapter(kind: type) -> "TypeAdapter[Any]":
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        # Imported when first needed: storing usage does without, and it takes time to load.
        from pydantic import TypeAdapter

        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter


def to_stored(value: object) -> str:
    """A dataclass of the domain as JSON; numbers are text in it."""
    stored: bytes = _adapter(type(value)).dump_json(value, by_alias=True)
    return stored.decode()


def from_stored[T](kind: type[T], text: str) -> T:
    """The inverse of ``to_stored``. Raises ``ValueError`` for anything else."""
    value: T = _adapter(kind).validate_json(text)
    return value
