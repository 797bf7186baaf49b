"""Messages and frames: well-formed ones are understood, all others refused and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.servicebus.codec import Described, Symbol, Timestamp, UInt, ULong, Value, encode
from local.servicebus.faults import InvalidRequest
from local.servicebus.fields import Fields, ProtocolError
from local.servicebus.frames import (
    AMQP_FRAME,
    AMQP_HEADER,
    MAX_FRAME_SIZE,
    Frame,
    FrameReader,
    Header,
    build_frame,
)
from local.servicebus.message import Section, parse_message, parse_request, split_batch
from local.servicebus.performatives import (
    Begin,
    Close,
    Disposition,
    Flow,
    Open,
    Performative,
    Transfer,
    parse_performative,
)


def _section(section: Section, value: Value) -> bytes:
    return encode(Described(ULong(section), value))


def test_a_schedule_beyond_the_calendar_is_the_end_of_the_calendar() -> None:
    late: Value = {Symbol("x-opt-scheduled-enqueue-time"): Timestamp(2**62)}
    message = parse_message(_section(Section.MESSAGE_ANNOTATIONS, late))
    assert message.scheduled_at == pytest.approx(253_402_300_799.999)


def test_delivery_annotations_are_not_passed_on() -> None:
    data = _section(Section.DELIVERY_ANNOTATIONS, {Symbol("hop"): 1})
    message = parse_message(data + _section(Section.DATA, b"x"))
    assert b"hop" not in message.render(0, {})
    assert message.body == _section(Section.DATA, b"x")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x40", id="no-section"),
        pytest.param(_section(Section.DATA, b"x") + _section(Section.HEADER, []), id="order"),
        pytest.param(_section(Section.PROPERTIES, {}), id="properties-as-map"),
        pytest.param(_section(Section.APPLICATION_PROPERTIES, []), id="application-as-list"),
        pytest.param(encode(Described(ULong(0x99), [])), id="unknown-section"),
        pytest.param(encode(Described(Symbol("amqp:data:binary"), b"")), id="symbolic"),
        pytest.param(_section(Section.DATA, b"xyz")[:-1], id="truncated"),
        pytest.param(b"\x00\x53", id="descriptor-only"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_message(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_a_batch_a_request_or_refused(data: bytes) -> None:
    for read in (parse_message, split_batch, parse_request):
        try:
            read(data)
        except InvalidRequest:
            continue


def test_a_batch_is_split_and_its_envelope_ignored() -> None:
    data = _section(Section.PROPERTIES, ["id"]) + b"".join(
        _section(Section.DATA, body) for body in (b"one", b"two")
    )
    assert split_batch(data) == [b"one", b"two"]


def test_a_batch_of_something_else_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no section"):
        split_batch(encode(Described(ULong(0x24), [])))


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 60))
def test_frames_arrive_whole_however_the_stream_is_cut(payloads: list[bytes], step: int) -> None:
    stream = AMQP_HEADER + b"".join(build_frame(AMQP_FRAME, 3, UInt(7), raw) for raw in payloads)
    reader = FrameReader()
    pieces = (stream[start : start + step] for start in range(0, len(stream), step))
    units = [unit for piece in pieces for unit in reader.feed(piece)]
    assert units == [
        Header(AMQP_HEADER),
        *(Frame(AMQP_FRAME, 3, UInt(7), payload) for payload in payloads),
    ]


@given(st.binary(max_size=300))
def test_any_stream_gives_frames_or_ends_the_connection(data: bytes) -> None:
    try:
        for unit in FrameReader().feed(data):
            if isinstance(unit, Frame) and unit.value is not None:
                parse_performative(unit.value)
    except ProtocolError:
        return


@pytest.mark.parametrize("size", [0, 7, MAX_FRAME_SIZE + 1, 0xFFFF_FFFF])
def test_frames_of_impossible_size_are_refused_before_they_are_collected(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"{size} bytes"):
        list(FrameReader().feed(size.to_bytes(4, "big") + b"\x02\x00\x00\x00"))


@pytest.mark.parametrize(
    "performative",
    [
        Open("me", "host", 65_536, 10, 60_000),
        Begin(1, 2, 3, 4, 5),
        Flow(1, 2, 3, 4, 5, 6, 7, drain=True, echo=True),
        Transfer(1, 2, b"tag", 3, settled=True, more=True),
        Transfer(1, 2, b"tag", 3, settled=False, more=False, aborted=True),
        Disposition(is_receiver=True, first=1, last=2, settled=True, outcome=None),
        Close(),
    ],
    ids=lambda performative: type(performative).__name__,
)
def test_performatives_survive_the_wire(performative: Performative) -> None:
    value = Described(ULong(performative.CODE), performative.fields())
    assert parse_performative(value) == performative


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Fields.integer, "text"),
        (Fields.integer, True),
        (Fields.required, None),
        (Fields.flag, 1),
        (Fields.text, 1),
        (Fields.binary, "text"),
        (Fields.described, 1),
        (Fields.mapping, []),
    ],
)
def test_fields_of_the_wrong_type_break_the_protocol(read: object, value: Value) -> None:
    with pytest.raises(ProtocolError, match="field 0"):
        read(Fields([value]), 0)  # type: ignore[operator] # any of the methods
