"""Messages: what the broker reads of a message's sections, and how it hands a message out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from uuid import UUID

from local.servicebus.codec import (
    DecodeError,
    Described,
    Symbol,
    UInt,
    ULong,
    Value,
    decode,
    encode,
    skip,
)
from local.servicebus.faults import InvalidRequest


class Section(IntEnum):
    """Descriptors of the sections of a message, in the order they must come in."""

    HEADER = 0x70
    DELIVERY_ANNOTATIONS = 0x71
    MESSAGE_ANNOTATIONS = 0x72
    PROPERTIES = 0x73
    APPLICATION_PROPERTIES = 0x74
    DATA = 0x75
    SEQUENCE = 0x76
    VALUE = 0x77
    FOOTER = 0x78


BATCH_FORMAT = 0x8001_3700
"""Message format of a batch: each data section is one whole message."""

_IDS = (str, int, bytes, UUID)
_TTL = 2
_DELIVERY_COUNT = 4
_MESSAGE_ID = 0
_GROUP_ID = 10
_END_OF_TIME = 253_402_300_799_999
"""Milliseconds at the end of 9999-12-31, the last moment Service Bus knows."""
_SCHEDULED = Symbol("x-opt-scheduled-enqueue-time")


@dataclass(frozen=True, slots=True)
class Message:
    """One message as sent: sections the broker rewrites are decoded, the others stay bytes."""

    header: tuple[Value, ...]
    annotations: dict[Value, Value]
    properties: bytes
    application_properties: bytes
    body: bytes
    message_id: str | int | bytes | UUID | None
    session_id: str | None

    @property
    def time_to_live(self) -> float | None:
        """Seconds the sender gave the message, or None."""
        ttl = self.header[_TTL] if len(self.header) > _TTL else None
        return ttl / 1000 if isinstance(ttl, int) else None

    @property
    def scheduled_at(self) -> float | None:
        """Unix seconds before which the message must not be delivered, or None."""
        at = self.annotations.get(_SCHEDULED)
        return min(at, _END_OF_TIME) / 1000 if isinstance(at, int) else None

    def with_properties(self, extra: dict[str, str]) -> "Message":
        """The message with ``extra`` among its application properties."""
        held: dict[Value, Value] = {}
        if self.application_properties:
            held, _ = _map_section(self.application_properties, 0)
        held.update(extra)
        section = encode(Described(ULong(Section.APPLICATION_PROPERTIES), held))
        return replace(self, application_properties=section)

    def render(self, delivery_count: int, annotations: dict[Value, Value]) -> bytes:
        """The bytes a receiver gets: the sender's message with the broker's header and notes."""
        header = [*self.header, *[None] * (5 - len(self.header))]
        header[_DELIVERY_COUNT] = UInt(delivery_count)
        notes = {**self.annotations, **annotations}
        return b"".join(
            (
                encode(Described(ULong(Section.HEADER), header)),
                encode(Described(ULong(Section.MESSAGE_ANNOTATIONS), notes)),
                self.properties,
                self.application_properties,
                self.body,
            )
        )


def parse_message(data: bytes) -> Message:
    """The message in ``data``; raises ``InvalidRequest`` when it is none."""
    try:
        return _parse(data)
    except DecodeError as exc:
        raise InvalidRequest(f"The message cannot be decoded: {exc}.") from exc


def _parse(data: bytes) -> Message:
    header: list[Value] = []
    annotations: dict[Value, Value] = {}
    properties = application_properties = body = b""
    fields: list[Value] = []
    offset = 0
    while offset < len(data):
        start = offset
        match _section_code(data, offset):
            case Section.HEADER:
                header, offset = _list_section(data, offset)
            case Section.DELIVERY_ANNOTATIONS:
                offset = skip(data, offset)  # They are meant for one hop, this one.
            case Section.MESSAGE_ANNOTATIONS:
                annotations, offset = _map_section(data, offset)
            case Section.PROPERTIES:
                fields, offset = _list_section(data, offset)
                properties = data[start:offset]
            case Section.APPLICATION_PROPERTIES:
                _, offset = _map_section(data, offset)
                application_properties = data[start:offset]
            case _:
                body, offset = data[start:], _end_of_body(data, skip(data, offset))
    message_id = fields[_MESSAGE_ID] if fields else None
    session_id = fields[_GROUP_ID] if len(fields) > _GROUP_ID else None
    return Message(
        tuple(header),
        annotations,
        properties,
        application_properties,
        body,
        message_id if isinstance(message_id, _IDS) else None,
        session_id if isinstance(session_id, str) else None,
    )


def _end_of_body(data: bytes, offset: int) -> int:
    """Everything from the first body section on is passed through, but must be well-formed."""
    while offset < len(data):
        if not Section.DATA <= _section_code(data, offset) <= Section.FOOTER:
            raise DecodeError("a section stands behind the body")
        offset = skip(data, offset)
    return offset


def _section_code(data: bytes, offset: int) -> int:
    if data[offset] != 0x00:
        raise DecodeError("a section without a descriptor")
    if data.startswith(b"\x53", offset + 1) and len(data) > offset + 2:
        code = data[offset + 2]
    else:
        descriptor, _ = decode(data, offset + 1)
        code = int(descriptor) if isinstance(descriptor, ULong) else 0
    if not Section.HEADER <= code <= Section.FOOTER:
        raise DecodeError(f"unknown section 0x{code:02x}")
    return code


def _described(data: bytes, offset: int) -> tuple[Value, int]:
    value, end = decode(data, offset)
    if not isinstance(value, Described):
        raise DecodeError("a section without a descriptor")
    return value.value, end


def _list_section(data: bytes, offset: int) -> tuple[list[Value], int]:
    value, end = _described(data, offset)
    if not isinstance(value, list):
        raise DecodeError("a section that must be a list is none")
    return value, end


def _map_section(data: bytes, offset: int) -> tuple[dict[Value, Value], int]:
    value, end = _described(data, offset)
    if not isinstance(value, dict):
        raise DecodeError("a section that must be a map is none")
    return value, end


def split_batch(data: bytes) -> list[bytes]:
    """The encoded messages of a batch envelope; raises ``InvalidRequest`` when it is none."""
    try:
        return list(_batched(data))
    except DecodeError as exc:
        raise InvalidRequest(f"The batch cannot be decoded: {exc}.") from exc


def _batched(data: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(data):
        value, offset = decode(data, offset)
        match value:
            case Described(descriptor=Section.DATA, value=bytes() as message):
                yield message
            case Described(descriptor=int(code)) if Section.HEADER <= code <= Section.FOOTER:
                pass  # The envelope's own header and properties; each message has its own.
            case _:
                raise DecodeError("a batch holds something that is no section")


@dataclass(frozen=True, slots=True)
class Request:
    """A management or authorization request."""

    message_id: Value
    properties: dict[Value, Value]
    body: Value


def parse_request(data: bytes) -> Request:
    """The request in ``data``; raises ``InvalidRequest`` when it is none."""
    message = parse_message(data)
    try:
        properties: dict[Value, Value] = {}
        if message.application_properties:
            properties, _ = _map_section(message.application_properties, 0)
        body = _described(message.body, 0)[0] if message.body else None
    except DecodeError as exc:
        raise InvalidRequest(f"The request cannot be decoded: {exc}.") from exc
    return Request(message.message_id, properties, body)


def render_reply(correlation_id: Value, properties: dict[Value, Value], body: Value) -> bytes:
    """The bytes of the answer to the request with this message id."""
    return b"".join(
        (
            encode(Described(ULong(Section.PROPERTIES), [*[None] * 5, correlation_id])),
            encode(Described(ULong(Section.APPLICATION_PROPERTIES), properties)),
            encode(Described(ULong(Section.VALUE), body)),
        )
    )
