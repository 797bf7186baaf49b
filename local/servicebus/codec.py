"""AMQP 1.0 types (OASIS AMQP 1.0, part 1): encode and decode single values."""

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Never

MAX_DEPTH = 32
"""Deepest nesting accepted; anything deeper is an attack or a defect, not a message."""
MAX_ARRAY_ITEMS = 65_536
"""Array elements may be zero bytes wide, so only a limit keeps a tiny frame from costing hours."""


class DecodeError(ValueError):
    """Bytes that are not a well-formed AMQP value."""


class Symbol(str):
    """ASCII name from a closed vocabulary."""

    __slots__ = ()


class UByte(int):
    """Unsigned, 8 bits."""

    __slots__ = ()


class UShort(int):
    """Unsigned, 16 bits."""

    __slots__ = ()


class UInt(int):
    """Unsigned, 32 bits."""

    __slots__ = ()


class ULong(int):
    """Unsigned, 64 bits."""

    __slots__ = ()


class Byte(int):
    """Signed, 8 bits."""

    __slots__ = ()


class Short(int):
    """Signed, 16 bits."""

    __slots__ = ()


class Int(int):
    """Signed, 32 bits; a plain ``int`` is a ``long`` of 64 bits."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970-01-01T00:00:00Z."""

    __slots__ = ()


class Float32(float):
    """Single precision; a plain ``float`` is a ``double``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor that names its meaning."""

    descriptor: "Value"
    value: "Value"


@dataclass(frozen=True, slots=True)
class Array:
    """Elements of one primitive type, named by its constructor byte."""

    code: int
    items: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value the broker only passes on: char, decimals, arrays of compound elements."""

    code: int
    payload: bytes


class Encoded(bytes):
    """Bytes that are an encoded value already; never comes out of decoding."""


type Value = (
    bool
    | int
    | float
    | str
    | bytes
    | uuid.UUID
    | Described
    | Array
    | Opaque
    | list[Value]
    | dict[Value, Value]
    | None
)

ARRAY_TIMESTAMP = 0x83
ARRAY_LONG = 0x81
ARRAY_SYMBOL = 0xB3

_FIXED: dict[int, tuple[struct.Struct, Callable[[Any], Value]]] = {
    0x50: (struct.Struct(">B"), UByte),
    0x51: (struct.Struct(">b"), Byte),
    0x52: (struct.Struct(">B"), UInt),
    0x53: (struct.Struct(">B"), ULong),
    0x54: (struct.Struct(">b"), Int),
    0x55: (struct.Struct(">b"), int),
    0x56: (struct.Struct(">B"), bool),
    0x60: (struct.Struct(">H"), UShort),
    0x61: (struct.Struct(">h"), Short),
    0x70: (struct.Struct(">I"), UInt),
    0x71: (struct.Struct(">i"), Int),
    0x72: (struct.Struct(">f"), Float32),
    0x80: (struct.Struct(">Q"), ULong),
    0x81: (struct.Struct(">q"), int),
    0x82: (struct.Struct(">d"), float),
    0x83: (struct.Struct(">q"), Timestamp),
    0x98: (struct.Struct("16s"), lambda raw: uuid.UUID(bytes=raw)),
}
_EMPTY: dict[int, Value] = {
    0x40: None,
    0x41: True,
    0x42: False,
    0x43: UInt(0),
    0x44: ULong(0),
}
_TEXT: dict[int, Callable[[bytes], Value]] = {
    0xA0: bytes,
    0xB0: bytes,
    0xA1: lambda raw: raw.decode("utf-8"),
    0xB1: lambda raw: raw.decode("utf-8"),
    0xA3: lambda raw: Symbol(raw.decode("ascii")),
    0xB3: lambda raw: Symbol(raw.decode("ascii")),
}

type Decoder = Callable[[bytes, int, int], tuple[Value, int]]
"""Reads the value behind a constructor: data, offset and depth to value and next offset."""

_NULL = 0x40
_U32 = struct.Struct(">I")
_OPAQUE_WIDTH = {0x73: 4, 0x74: 4, 0x84: 8, 0x94: 16}
_LISTS = (0xC0, 0xD0)
_MAPS = (0xC1, 0xD1)
_ARRAYS = (0xE0, 0xF0)


def decode(data: bytes, offset: int = 0) -> tuple[Value, int]:
    """The value that starts at ``offset`` and the offset behind it.

    Raises ``DecodeError`` for truncated, malformed or too deeply nested bytes.
    """
    try:
        return _decode(data, offset, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as exc:
        raise DecodeError(f"malformed AMQP value at byte {offset}: {exc}") from exc


def skip(data: bytes, offset: int) -> int:
    """The offset behind the value at ``offset``, found from its size alone.

    Raises ``DecodeError`` when the value does not fit into ``data``.
    """
    try:
        if data[offset] == 0x00:
            if data[offset + 1] == 0x53:
                offset += 3
            else:
                _, offset = _decode(data, offset + 1, 1)
            if data[offset] == 0x00:
                raise DecodeError("a described value describes another one")
        end = offset + 1 + _width(data, offset)
    except (IndexError, struct.error, UnicodeDecodeError) as exc:
        raise DecodeError(f"malformed AMQP value at byte {offset}: {exc}") from exc
    if end > len(data):
        raise DecodeError("a value is longer than its frame")
    return end


def _width(data: bytes, offset: int) -> int:
    match data[offset] >> 4:
        case 0x4:
            return 0
        case 0x5:
            return 1
        case 0x6:
            return 2
        case 0x7:
            return 4
        case 0x8:
            return 8
        case 0x9:
            return 16
        case 0xA | 0xC | 0xE:
            return 1 + data[offset + 1]
        case 0xB | 0xD | 0xF:
            return 4 + int(_U32.unpack_from(data, offset + 1)[0])
        case _:
            raise DecodeError(f"unknown constructor 0x{data[offset]:02x}")


def _decode(data: bytes, offset: int, depth: int) -> tuple[Value, int]:
    return _DECODERS[data[offset]](data, offset + 1, depth)


def _decode_described(data: bytes, offset: int, depth: int) -> tuple[Value, int]:
    if depth >= MAX_DEPTH:
        raise DecodeError(f"values are nested deeper than {MAX_DEPTH}")
    descriptor, offset = _decode(data, offset, depth + 1)
    value, offset = _decode(data, offset, depth + 1)
    return Described(descriptor, value), offset


def _decode_unknown(data: bytes, offset: int, _: int) -> tuple[Value, int]:
    raise DecodeError(f"unknown constructor 0x{data[offset - 1]:02x}")


def _empty_decoder(value: Value) -> Decoder:
    return lambda _, offset, __: (value, offset)


def _fixed_decoder(layout: struct.Struct, build: Callable[[Any], Value]) -> Decoder:
    unpack, size = layout.unpack_from, layout.size
    return lambda data, offset, _: (build(unpack(data, offset)[0]), offset + size)


def _text_decoder(code: int, build: Callable[[bytes], Value]) -> Decoder:
    def decode_text(data: bytes, offset: int, _: int) -> tuple[Value, int]:
        start, end = _extent(code, data, offset)
        return build(data[start:end]), end

    return decode_text


def _opaque_decoder(code: int, width: int) -> Decoder:
    def decode_opaque(data: bytes, offset: int, _: int) -> tuple[Value, int]:
        if offset + width > len(data):
            raise DecodeError("a value is longer than its frame")
        return Opaque(code, data[offset : offset + width]), offset + width

    return decode_opaque


def _list_decoder(code: int) -> Decoder:
    return lambda data, offset, depth: _decode_items(code, data, offset, depth)


def _map_decoder(code: int) -> Decoder:
    def decode_map(data: bytes, offset: int, depth: int) -> tuple[Value, int]:
        items, end = _decode_items(code, data, offset, depth)
        if len(items) % 2:
            raise DecodeError("a map holds a key without a value")
        try:
            return dict(zip(items[::2], items[1::2], strict=True)), end
        except TypeError as exc:
            raise DecodeError("a map has a compound key") from exc

    return decode_map


def _array_decoder(code: int) -> Decoder:
    return lambda data, offset, depth: _decode_array(code, data, offset, depth)


def _extent(code: int, data: bytes, offset: int) -> tuple[int, int]:
    if code & 0x10:
        start = offset + 4
        end = start + _U32.unpack_from(data, offset)[0]
    else:
        start = offset + 1
        end = start + data[offset]
    if end > len(data):
        raise DecodeError("a value is longer than its frame")
    return start, end


def _counted(code: int, data: bytes, offset: int) -> tuple[int, int, int]:
    """Count of items, offset of the first and offset behind the last."""
    start, end = _extent(code, data, offset)
    if code & 0x10:
        return _U32.unpack_from(data, start)[0], start + 4, end
    return data[start], start + 1, end


def _decode_items(code: int, data: bytes, offset: int, depth: int) -> tuple[list[Value], int]:
    if depth >= MAX_DEPTH:
        raise DecodeError(f"values are nested deeper than {MAX_DEPTH}")
    count, position, end = _counted(code, data, offset)
    if count > end - position:
        raise DecodeError(f"{count} items cannot fit into {end - position} bytes")
    items: list[Value] = []
    for _ in range(count):
        code = data[position]
        if code == _NULL:  # Most fields of most composites: worth a short cut.
            items.append(None)
            position += 1
        else:
            item, position = _DECODERS[code](data, position + 1, depth + 1)
            items.append(item)
    if position != end:
        raise DecodeError("a compound value does not end where its size says")
    return items, end


def _decode_array(code: int, data: bytes, offset: int, depth: int) -> tuple[Value, int]:
    count, position, end = _counted(code, data, offset)
    if count > MAX_ARRAY_ITEMS:
        raise DecodeError(f"an array holds more than {MAX_ARRAY_ITEMS} elements")
    element = data[position] if position < end else 0x00
    if element == 0x00 or element >= 0xC0 or element in _OPAQUE_WIDTH:
        return Opaque(code, data[offset:end]), end
    position += 1
    read = _DECODERS[element]
    items: list[Value] = []
    for _ in range(count):
        item, position = read(data, position, depth)
        items.append(item)
    if position != end:
        raise DecodeError("an array does not end where its size says")
    return Array(element, tuple(items)), end


_DECODERS: list[Decoder] = [_decode_unknown] * 256
_DECODERS[0x00] = _decode_described
_DECODERS[0x45] = lambda _, offset, __: ([], offset)
for _code, (_layout, _build) in _FIXED.items():
    _DECODERS[_code] = _fixed_decoder(_layout, _build)
for _code, _value in _EMPTY.items():
    _DECODERS[_code] = _empty_decoder(_value)
for _code, _decode_bytes in _TEXT.items():
    _DECODERS[_code] = _text_decoder(_code, _decode_bytes)
for _code, _opaque_width in _OPAQUE_WIDTH.items():
    _DECODERS[_code] = _opaque_decoder(_code, _opaque_width)
for _code in _LISTS:
    _DECODERS[_code] = _list_decoder(_code)
for _code in _MAPS:
    _DECODERS[_code] = _map_decoder(_code)
for _code in _ARRAYS:
    _DECODERS[_code] = _array_decoder(_code)


def encode(value: Value) -> bytes:
    """The bytes of ``value``, compact where that is cheap.

    Raises ``struct.error`` for a number outside its type; the broker encodes only what it built or
    decoded itself, so that is a defect.
    """
    return _ENCODERS[type(value)](value)


def _encode_uint(value: UInt) -> bytes:
    if value == 0:
        return b"\x43"
    return bytes((0x52, value)) if 0 < value < 256 else b"\x70" + _U32.pack(value)


def _encode_ulong(value: ULong) -> bytes:
    if value == 0:
        return b"\x44"
    return bytes((0x53, value)) if 0 < value < 256 else struct.pack(">BQ", 0x80, value)


def _sized(short: int, raw: bytes) -> bytes:
    if len(raw) < 256:
        return bytes((short, len(raw))) + raw
    return struct.pack(">BI", short | 0x10, len(raw)) + raw


def _compound(short: int, count: int, body: bytes) -> bytes:
    if len(body) < 255 and count < 256:
        return bytes((short, len(body) + 1, count)) + body
    return struct.pack(">BII", short | 0x10, len(body) + 4, count) + body


def _encode_list(value: list[Value]) -> bytes:
    if not value:
        return b"\x45"
    return _compound(0xC0, len(value), b"".join([_ENCODERS[type(x)](x) for x in value]))


def _encode_map(value: dict[Value, Value]) -> bytes:
    parts = [_ENCODERS[type(part)](part) for pair in value.items() for part in pair]
    return _compound(0xC1, len(parts), b"".join(parts))


def _encode_element(code: int, value: Any) -> bytes:  # noqa: ANN401 - the code names the type
    if code in _FIXED:
        return _FIXED[code][0].pack(value.bytes if isinstance(value, uuid.UUID) else value)
    if code in _EMPTY or code == 0x45:
        return b""
    raw: bytes = value if isinstance(value, bytes) else value.encode()
    return (_U32.pack(len(raw)) if code & 0x10 else bytes((len(raw),))) + raw


def _encode_array(value: Array) -> bytes:
    body = bytes((value.code,)) + b"".join(_encode_element(value.code, x) for x in value.items)
    return struct.pack(">BII", 0xF0, len(body) + 4, len(value.items)) + body


def _refuse(value: Never) -> bytes:
    raise TypeError(f"{type(value).__name__} has no AMQP encoding")


class _Encoders(dict[type, Callable[[Any], bytes]]):
    def __missing__(self, _: type) -> Callable[[Any], bytes]:
        return _refuse


_ENCODERS = _Encoders(
    {
        type(None): lambda _: b"\x40",
        bool: lambda value: b"\x41" if value else b"\x42",
        UByte: lambda value: bytes((0x50, value)),
        Byte: lambda value: struct.pack(">Bb", 0x51, value),
        UShort: lambda value: struct.pack(">BH", 0x60, value),
        Short: lambda value: struct.pack(">Bh", 0x61, value),
        UInt: _encode_uint,
        Int: lambda value: struct.pack(">Bi", 0x71, value),
        ULong: _encode_ulong,
        int: lambda value: struct.pack(">Bq", 0x81, value),
        Timestamp: lambda value: struct.pack(">Bq", 0x83, value),
        Float32: lambda value: struct.pack(">Bf", 0x72, value),
        float: lambda value: struct.pack(">Bd", 0x82, value),
        uuid.UUID: lambda value: b"\x98" + value.bytes,
        Symbol: lambda value: _sized(0xA3, value.encode("ascii")),
        str: lambda value: _sized(0xA1, value.encode("utf-8")),
        bytes: lambda value: _sized(0xA0, value),
        Opaque: lambda value: bytes((value.code,)) + value.payload,
        Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
        Array: _encode_array,
        Encoded: bytes,
        list: _encode_list,
        dict: _encode_map,
    }
)
