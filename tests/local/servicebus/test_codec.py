"""The AMQP type system: what is encoded is decoded again, and no bytes do harm."""

import struct
import uuid
from decimal import Decimal

import pytest
from azure.servicebus._pyamqp._decode import decode_payload
from azure.servicebus._pyamqp._encode import encode_payload
from azure.servicebus._pyamqp.message import Header, Message, Properties
from hypothesis import given, settings
from hypothesis import strategies as st

from local.servicebus.codec import (
    MAX_ARRAY_ITEMS,
    MAX_DEPTH,
    Array,
    Byte,
    DecodeError,
    Described,
    Float32,
    Int,
    Opaque,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
    Value,
    decode,
    encode,
    skip,
)
from local.servicebus.message import parse_message


def _integers(kind: type[int], bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low = -(2 ** (bits - 1)) if signed else 0
    return st.integers(low, low + 2**bits - 1).map(kind)


SCALARS: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    _integers(UByte, 8, signed=False),
    _integers(UShort, 16, signed=False),
    _integers(UInt, 32, signed=False),
    _integers(ULong, 64, signed=False),
    _integers(Byte, 8, signed=True),
    _integers(Short, 16, signed=True),
    _integers(Int, 32, signed=True),
    _integers(int, 64, signed=True),
    _integers(Timestamp, 64, signed=True),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(Float32),
    st.binary(max_size=300),
    st.text(max_size=300),
    st.text(st.characters(max_codepoint=127), max_size=300).map(Symbol),
    st.uuids(),
    st.binary(min_size=8, max_size=8).map(lambda raw: Opaque(0x84, raw)),
)
ARRAYS: st.SearchStrategy[Value] = st.one_of(
    st.lists(_integers(int, 64, signed=True), min_size=1).map(lambda x: Array(0x81, tuple(x))),
    st.lists(st.uuids(), min_size=1).map(lambda x: Array(0x98, tuple(x))),
    st.lists(st.text(), min_size=1).map(lambda x: Array(0xB1, tuple(x))),
    st.lists(st.just(True), min_size=1).map(lambda x: Array(0x41, tuple(x))),
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=5), inner, max_size=5),
        st.builds(Described, st.integers(0, 2**64 - 1).map(ULong), inner),
    ),
    max_leaves=20,
)


def _typed(value: Value) -> object:
    """The value with its types, since ``UInt(1) == ULong(1)``."""
    match value:
        case list():
            return [_typed(item) for item in value]
        case dict():
            return [(_typed(key), _typed(item)) for key, item in value.items()]
        case Described(descriptor, inner):
            return ("described", _typed(descriptor), _typed(inner))
        case Array(code, items):
            return ("array", code, [_typed(item) for item in items])
        case _:
            return type(value), value


FEWER = settings(max_examples=60, deadline=None)
"""Nested values are slow to draw."""


@FEWER
@given(VALUES)
def test_a_value_survives_encoding_and_decoding(value: Value) -> None:
    data = encode(value)
    decoded, end = decode(data)
    assert _typed(decoded) == _typed(value)
    assert end == len(data)


@FEWER
@given(VALUES, st.binary(max_size=10))
def test_skipping_ends_where_decoding_ends(value: Value, rest: bytes) -> None:
    if isinstance(value, Described) and isinstance(value.value, Described):
        value = value.value.descriptor
    data = encode(value)
    assert skip(data + rest, 0) == decode(data + rest)[1] == len(data)


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for read in (decode, skip):
        try:
            read(data, 0)
        except DecodeError:
            continue


@FEWER
@given(VALUES, st.data())
def test_a_damaged_value_decodes_or_is_refused(value: Value, data: st.DataObject) -> None:
    raw = bytearray(encode(value))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded, _ = decode(bytes(raw))
    except DecodeError:
        return
    encode(decoded)  # What can be decoded can be passed on.


@FEWER
@given(VALUES, st.integers(min_value=1))
def test_a_truncated_value_is_refused(value: Value, cut: int) -> None:
    data = encode(value)
    with pytest.raises(DecodeError):
        decode(data[: -(1 + cut % len(data))])


def test_nesting_is_limited_for_lists_maps_and_descriptions() -> None:
    nested: Value = []
    for _ in range(MAX_DEPTH + 1):
        nested = [nested]
    with pytest.raises(DecodeError, match="nested deeper"):
        decode(encode(nested))
    with pytest.raises(DecodeError, match="nested deeper"):
        decode(b"\x00" * 5_000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            struct.pack(">BIIB", 0xF0, 5, MAX_ARRAY_ITEMS + 1, 0x40), "array", id="array-of-nulls"
        ),
        pytest.param(struct.pack(">BII", 0xD0, 4, 2**32 - 1), "cannot fit", id="list-count"),
        pytest.param(struct.pack(">BI", 0xB0, 2**32 - 1), "longer", id="binary-size"),
        pytest.param(b"\xc1\x02\x01\x40", "without a value", id="odd-map"),
        pytest.param(b"\xc1\x03\x02\x45\x40", "compound key", id="list-as-key"),
        pytest.param(b"\xc0\x04\x01\x40\x40\x40", "does not end", id="list-too-long"),
        pytest.param(b"\xa1\x02\xff\xff", "malformed", id="not-utf-8"),
        pytest.param(b"\x3f", "unknown constructor", id="unknown"),
        pytest.param(b"", "malformed", id="nothing"),
    ],
)
def test_malformed_values_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(data)


def test_values_without_an_encoding_are_a_defect() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        encode(Decimal(1))  # type: ignore[arg-type] # the point of the test


def test_the_sdk_reads_what_the_broker_renders_and_the_other_way_round() -> None:
    sent = Message(
        header=Header(ttl=60_000, durable=True),
        properties=Properties(message_id="m-1", group_id="s-1"),
        message_annotations={"x-opt-partition-key": "p"},
        application_properties={"text": "ü", "number": 7, "id": uuid.UUID(int=5), "float": 1.5},
        data=[b"one", b"two"],
    )
    message = parse_message(bytes(encode_payload(bytearray(), sent)))
    assert (message.message_id, message.session_id, message.time_to_live) == ("m-1", "s-1", 60.0)
    rendered = message.with_properties({"DeadLetterReason": "why"}).render(
        3, {Symbol("x-opt-sequence-number"): 9}
    )
    received = decode_payload(memoryview(rendered))
    assert received.header is not None
    assert received.header.delivery_count == 3
    assert received.header.ttl == 60_000
    assert received.message_annotations == {
        b"x-opt-partition-key": b"p",
        b"x-opt-sequence-number": 9,
    }
    assert received.application_properties == {
        b"text": "ü".encode(),
        b"number": 7,
        b"id": uuid.UUID(int=5),
        b"float": 1.5,
        b"DeadLetterReason": b"why",
    }
    assert received.data == [b"one", b"two"]
