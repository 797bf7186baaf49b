"""Peers that break off, break the protocol or use corners of it: nobody else notices."""

import random
from collections.abc import Iterator

import pytest

from local.servicebus.broker import RunningBroker, running_broker
from local.servicebus.codec import Described, Symbol, UInt, ULong, encode
from local.servicebus.entity.config import QueueConfig
from local.servicebus.entity.stored import Counters
from local.servicebus.frames import AMQP_FRAME, AMQP_HEADER, SASL_FRAME, SASL_HEADER, build_frame
from local.servicebus.message import BATCH_FORMAT, Section
from local.servicebus.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Terminus,
    Transfer,
)
from tests.local.servicebus.wire import SOURCE, Wire, disposition_fields, wire

ACCEPTED = 0x24
REJECTED = 0x25
BODY = encode(Described(ULong(Section.DATA), b"x"))


@pytest.fixture
def broker() -> Iterator[RunningBroker]:
    with running_broker([QueueConfig("q"), QueueConfig("s", requires_session=True)]) as running:
        yield running


def flow(handle: int | None, credit: int | None = None, **changes: object) -> Flow:
    fields = {
        "next_incoming_id": 0,
        "incoming_window": 1000,
        "next_outgoing_id": 0,
        "outgoing_window": 1000,
        "handle": handle,
        "delivery_count": 0,
        "link_credit": credit,
        **changes,
    }
    return Flow(**fields)  # type: ignore[arg-type] # see Flow


def transfer(number: int, *, more: bool = False, aborted: bool = False, fmt: int = 0) -> Transfer:
    return Transfer(0, number, b"t%d" % number, fmt, settled=False, more=more, aborted=aborted)


def send(peer: Wire, *bodies: bytes) -> None:
    """Send messages over handle 0 and see them accepted."""
    peer.attach(0, "q", receiver=False)
    for number, body in enumerate(bodies):
        peer.send(transfer(number), encode(Described(ULong(Section.DATA), body)))
        fields, _ = peer.expect(Disposition.CODE)
        assert fields[4] == Described(ULong(ACCEPTED), [])


def still_works(broker: RunningBroker) -> bool:
    """Another connection can send and receive."""
    with wire(broker.port) as peer:
        peer.begin()
        send(peer, b"probe")
        peer.attach(1, "q", receiver=True)
        peer.send(flow(1, 1))
        peer.expect(Transfer.CODE)
    return True


FRAMING = "amqp:connection:framing-error"
DECODING = "amqp:decode-error"


def frame(code: int, channel: int = 0, kind: int = AMQP_FRAME) -> bytes:
    """A performative without fields."""
    return build_frame(kind, channel, Described(ULong(code), []))


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", FRAMING, id="http"),
        pytest.param(AMQP_HEADER + b"\0\0\0\4\2\0\0\0", FRAMING, id="short"),
        pytest.param(AMQP_HEADER + b"\xff" * 8, FRAMING, id="huge"),
        pytest.param(AMQP_HEADER + b"\0\0\0\x0a\2\0\0\0\0\x53", DECODING, id="cut"),
        pytest.param(AMQP_HEADER + build_frame(AMQP_FRAME, 0, UInt(3)), DECODING, id="number"),
        pytest.param(AMQP_HEADER + frame(0x99), DECODING, id="unknown"),
        pytest.param(AMQP_HEADER + frame(End.CODE, 7), "amqp:not-allowed", id="no-session"),
        pytest.param(SASL_HEADER + frame(0x44, kind=SASL_FRAME), DECODING, id="sasl"),
        pytest.param(b"AMQP\x09\x09\x09\x09", None, id="other-protocol"),
    ],
)
def test_garbage_costs_the_sender_its_connection_only(
    broker: RunningBroker, data: bytes, condition: str | None
) -> None:
    with wire(broker.port) as peer:
        peer.send_raw(data)
        assert peer.closed_by_broker() == condition
    assert still_works(broker)


def test_random_bytes_do_no_harm(broker: RunningBroker) -> None:
    chance = random.Random(7)
    for _ in range(30):
        with wire(broker.port) as peer:
            peer.begin()
            peer.send_raw(build_frame(AMQP_FRAME, 1, None, chance.randbytes(60)))
            body = chance.randbytes(chance.randrange(1, 40))
            peer.send_raw((len(body) + 8).to_bytes(4, "big") + b"\x02\x00\x00\x01" + body)
            peer.send_raw(chance.randbytes(200))
            peer.closed_by_broker()
    assert still_works(broker)


def test_a_broken_session_ends_its_connection_and_no_other(broker: RunningBroker) -> None:
    with wire(broker.port) as bystander:
        bystander.begin()
        bystander.expect(Begin.CODE)
        for breach in (
            flow(9, 1),
            transfer(0),
            Detach(9, closed=True),
            Begin(None, 0, 1, 1, 1),
            Attach("x", 300, True, 0, 0, Terminus(SOURCE, ("q",)), None, None, None, {}),
        ):
            with wire(broker.port) as peer:
                peer.begin()
                peer.send(breach)
                assert peer.closed_by_broker() is not None
        send(bystander, b"x")


def test_a_connection_that_breaks_off_gives_its_session_back(broker: RunningBroker) -> None:
    def attach(peer: Wire) -> str | None:
        peer.begin()
        peer.send(
            Attach(
                "r",
                0,
                is_receiver=True,
                sender_settle_mode=0,
                receiver_settle_mode=0,
                source=Terminus(SOURCE, ("s",)).with_filters(
                    {Symbol("com.microsoft:session-filter"): "a"}
                ),
                target=None,
                initial_delivery_count=None,
                max_message_size=None,
                properties={},
            )
        )
        fields, _ = peer.expect(Attach.CODE)
        return None if fields[5] is None else "granted"

    with wire(broker.port) as first:
        assert attach(first) == "granted"
        with wire(broker.port) as second:
            assert attach(second) is None
    for _ in range(50):
        with wire(broker.port) as third:
            if attach(third) == "granted":
                return
    pytest.fail("the session was not given back")


def test_credit_bounds_what_is_sent_and_draining_takes_it_back(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.begin()
        send(peer, b"a", b"b", b"c")
        peer.attach(1, "q", receiver=True)
        peer.send(flow(1, 2))
        assert [peer.expect(Transfer.CODE)[1][-1:] for _ in range(2)] == [b"a", b"b"]
        assert peer.silence(0.2)
        assert broker.counters("q") == Counters(1, 2, 0, 0, 0)
        peer.send(flow(1, 5, delivery_count=2, drain=True))
        assert peer.expect(Transfer.CODE)[1][-1:] == b"c"
        fields, _ = peer.expect(Flow.CODE)
        assert (fields[5], fields[6], fields[8]) == (7, 0, True)
        with wire(broker.port) as sender:
            sender.begin()
            send(sender, b"d")
        assert peer.silence(0.2)
        assert broker.counters("q") == Counters(1, 3, 0, 0, 0)


def test_a_closed_window_holds_messages_back_until_it_opens(broker: RunningBroker) -> None:
    with wire(broker.port) as sender, wire(broker.port) as peer:
        sender.begin()
        send(sender, b"a", b"b", b"c")
        peer.begin(window=1)
        peer.attach(1, "q", receiver=True)
        peer.send(flow(1, 10, incoming_window=1))
        peer.expect(Transfer.CODE)
        assert peer.silence(0.2)
        assert broker.counters("q").active == 1  # One waits for the window, none behind it.
        peer.send(flow(None, incoming_window=10, next_incoming_id=1, delivery_count=None))
        assert [peer.expect(Transfer.CODE)[1][-1:] for _ in range(2)] == [b"b", b"c"]


def test_deliveries_are_settled_in_ranges_and_unknown_ones_refused(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.begin()
        send(peer, b"a", b"b", b"c")
        peer.attach(1, "q", receiver=True)
        peer.send(flow(1, 3))
        for _ in range(3):
            peer.expect(Transfer.CODE)
        peer.send_raw(settling(0, 1))
        for number in (0, 1):
            fields, _ = peer.expect(Disposition.CODE)
            assert fields[1:] == [number, number, True, Described(ULong(ACCEPTED), [])]
        assert broker.counters("q") == Counters(0, 1, 0, 0, 0)
        for first, last in ((0, 1), (2**31, 2**32 - 1)):
            peer.send_raw(settling(first, last))
            fields, _ = peer.expect(Disposition.CODE)
            assert isinstance(fields[4], Described)
            assert fields[4].descriptor == REJECTED
        peer.send_raw(settling(0, 2**32 - 1))
        assert peer.expect(Disposition.CODE)[0][1] == 2
        assert broker.counters("q") == Counters(0, 0, 0, 0, 0)


def settling(first: int, last: int) -> bytes:
    """A frame that accepts deliveries."""
    descriptor, fields = disposition_fields(first, last, ACCEPTED)
    return build_frame(AMQP_FRAME, 1, Described(descriptor, fields))


def test_an_aborted_message_is_none(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.begin()
        send(peer)
        peer.send(transfer(0, more=True), BODY)
        peer.send(transfer(0, aborted=True))
        peer.send(transfer(1), BODY)
        assert peer.expect(Disposition.CODE)[0][1] == 1
    assert broker.counters("q").active == 1


@pytest.mark.parametrize(
    ("payload", "fmt"),
    [
        pytest.param(b"\x40", 0, id="message"),
        pytest.param(b"\x40", BATCH_FORMAT, id="batch"),
        pytest.param(encode(Described(ULong(Section.DATA), b"\x40")), BATCH_FORMAT, id="inside"),
    ],
)
def test_a_malformed_message_is_rejected_and_the_link_goes_on(
    broker: RunningBroker, payload: bytes, fmt: int
) -> None:
    with wire(broker.port) as peer:
        peer.begin()
        send(peer)
        peer.send(transfer(0, fmt=fmt), payload)
        fields, _ = peer.expect(Disposition.CODE)
        assert isinstance(fields[4], Described)
        assert fields[4].descriptor == REJECTED
        peer.send(transfer(1), BODY)
        assert peer.expect(Disposition.CODE)[0][4] == Described(ULong(ACCEPTED), [])


def test_a_link_waiting_for_a_session_can_be_detached(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.begin()
        peer.send(
            Attach(
                "waiting",
                4,
                is_receiver=True,
                sender_settle_mode=0,
                receiver_settle_mode=0,
                source=Terminus(SOURCE, ("s",)).with_filters(
                    {Symbol("com.microsoft:session-filter"): None}
                ),
                target=None,
                initial_delivery_count=None,
                max_message_size=None,
                properties={},
            )
        )
        peer.expect(Begin.CODE)
        assert peer.silence(0.1)
        peer.send(Detach(4, closed=True))
        fields, _ = peer.expect(Attach.CODE)
        assert fields[5] is None
        fields, _ = peer.expect(Detach.CODE)
        assert fields[0] == 4


def test_sessions_end_and_connections_close_politely(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.begin()
        send(peer, b"x")
        peer.send(End())
        peer.expect(End.CODE)
        peer.send(Begin(None, 0, 10, 10, 10))
        peer.expect(Begin.CODE)
        peer.send_raw(frame(Close.CODE))
        assert peer.closed_by_broker() is None


def test_a_peer_with_an_idle_timeout_gets_heartbeats(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.begin(idle_timeout=200)
        assert peer.heartbeats(3)


def test_a_peer_with_tiny_frames_is_refused(broker: RunningBroker) -> None:
    with wire(broker.port) as peer:
        peer.send_raw(AMQP_HEADER)
        peer.send(Open("test", None, 100, 1, None), channel=0)
        assert peer.closed_by_broker() == "amqp:invalid-field"


def test_stopping_the_broker_hangs_up_on_everyone() -> None:
    with running_broker([QueueConfig("q")]) as running:
        peer = Wire(running.port)
        peer.begin()
        peer.expect(Begin.CODE)
    assert peer.closed_by_broker() is None
    peer.close()
