"""Frames: cutting a byte stream into them and building them (AMQP 1.0, part 2.3)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from local.servicebus.codec import DecodeError, ULong, Value, decode, encode
from local.servicebus.fields import ProtocolError
from local.servicebus.performatives import Performative

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_FRAME = 0x00
SASL_FRAME = 0x01
EMPTY_FRAME = b"\x00\x00\x00\x08\x02\x00\x00\x00"
MAX_FRAME_SIZE = 65_536
"""Bytes; what Service Bus announces, and the most this broker reads or sends in a frame."""

_PREFIX = struct.Struct(">IBBH")


@dataclass(frozen=True, slots=True)
class Header:
    """A protocol header: which layer the peer wants to speak."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's kind, channel, first value and what follows it; ``value`` None: a heartbeat."""

    kind: int
    channel: int
    value: Value
    payload: bytes


class FrameReader:
    """Collects bytes as they come and gives back whole headers and frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Header | Frame]:
        """What ``data`` completes; raises ``ProtocolError`` when the stream is no AMQP."""
        self._buffer += data
        buffer, offset = self._buffer, 0
        try:
            while len(buffer) - offset >= _PREFIX.size:
                size, doff, kind, channel = _PREFIX.unpack_from(buffer, offset)
                if buffer.startswith(b"AMQP", offset):
                    yield Header(bytes(buffer[offset : offset + 8]))
                    offset += 8
                    continue
                if not 8 <= doff * 4 <= size <= MAX_FRAME_SIZE:
                    raise ProtocolError(f"a frame of {size} bytes", "amqp:connection:framing-error")
                if len(buffer) - offset < size:
                    break
                body = bytes(buffer[offset + doff * 4 : offset + size])
                offset += size
                yield _frame(kind, channel, body)
        finally:
            del buffer[:offset]


def _frame(kind: int, channel: int, body: bytes) -> Frame:
    if not body:
        return Frame(kind, channel, None, b"")
    try:
        value, end = decode(body)
    except DecodeError as exc:
        raise ProtocolError(str(exc)) from exc
    return Frame(kind, channel, value, body[end:])


def build_frame(kind: int, channel: int, value: Value, payload: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return _frame_bytes(kind, channel, encode(value), payload)


def performative_frame(channel: int, performative: Performative, payload: bytes = b"") -> bytes:
    """The bytes of a frame that carries a performative."""
    body = _DESCRIPTORS[performative.CODE] + encode(performative.fields())
    return _frame_bytes(AMQP_FRAME, channel, body, payload)


def _frame_bytes(kind: int, channel: int, body: bytes, payload: bytes) -> bytes:
    return _PREFIX.pack(8 + len(body) + len(payload), 2, kind, channel) + body + payload


_DESCRIPTORS = {code: b"\x00" + encode(ULong(code)) for code in range(0x10, 0x19)}
