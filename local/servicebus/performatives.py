"""The nine performatives of AMQP 1.0 (part 2.7), as far as a broker reads and writes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from local.servicebus.codec import Described, UByte, UInt, ULong, UShort, Value
from local.servicebus.fields import Fields, ProtocolError
from local.servicebus.outcomes import AmqpError, Outcome, encode_outcome, parse_outcome

SENDER_SETTLES = 1
"""Value of snd-settle-mode: every delivery is settled when sent (receive-and-delete)."""

_SOURCE = 0x28
_TARGET = 0x29
_FILTER = 7


def _uint(value: int | None) -> UInt | None:
    return None if value is None else UInt(value)


@dataclass(frozen=True, slots=True)
class Open:
    """Opens a connection; ``idle_timeout`` in milliseconds."""

    CODE: ClassVar[int] = 0x10
    container: str
    hostname: str | None
    max_frame_size: int
    channel_max: int
    idle_timeout: int | None

    @classmethod
    def parse(cls, fields: Fields) -> "Open":
        """Raises ``ProtocolError``."""
        size, channels = fields.integer(2), fields.integer(3)
        return cls(
            fields.text(0) or "",
            fields.text(1),
            0xFFFF_FFFF if size is None else size,
            0xFFFF if channels is None else channels,
            fields.integer(4),
        )

    def fields(self) -> list[Value]:
        """The fields to send."""
        return [
            self.container,
            self.hostname,
            UInt(self.max_frame_size),
            UShort(self.channel_max),
            _uint(self.idle_timeout),
        ]


@dataclass(frozen=True, slots=True)
class Begin:
    """Begins a session."""

    CODE: ClassVar[int] = 0x11
    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int

    @classmethod
    def parse(cls, fields: Fields) -> "Begin":
        """Raises ``ProtocolError``."""
        handles = fields.integer(4)
        return cls(
            fields.integer(0),
            fields.required(1),
            fields.required(2),
            fields.required(3),
            0xFFFF_FFFF if handles is None else handles,
        )

    def fields(self) -> list[Value]:
        """The fields to send."""
        channel = self.remote_channel
        return [
            None if channel is None else UShort(channel),
            UInt(self.next_outgoing_id),
            UInt(self.incoming_window),
            UInt(self.outgoing_window),
            UInt(self.handle_max),
        ]


@dataclass(frozen=True, slots=True)
class Terminus:
    """A source or a target: its address, its filters, and all fields to send them back."""

    descriptor: int
    values: tuple[Value, ...]

    @classmethod
    def parse(cls, value: Described | None, descriptor: int) -> "Terminus | None":
        """Raises ``ProtocolError``; a coordinator or another kind of node is none we serve."""
        if value is None:
            return None
        if value.descriptor != descriptor:
            raise ProtocolError("only sources and targets can be attached", "amqp:not-implemented")
        return cls(descriptor, tuple(Fields.of(value.value).values))

    @property
    def address(self) -> str | None:
        """The node's address."""
        return Fields(list(self.values)).text(0)

    @property
    def filters(self) -> dict[Value, Value]:
        """A source's filters."""
        return Fields(list(self.values)).mapping(_FILTER)

    def with_filters(self, filters: dict[Value, Value]) -> "Terminus":
        """A source with these filters, as the broker confirms them."""
        values = [*self.values, *[None] * (_FILTER + 1 - len(self.values))]
        values[_FILTER] = filters
        return replace(self, values=tuple(values))

    def encoded(self) -> Described:
        """The terminus as a composite."""
        return Described(ULong(self.descriptor), list(self.values))


@dataclass(frozen=True, slots=True)
class Attach:
    """Attaches a link; ``is_receiver`` is the role of whoever sends the frame."""

    CODE: ClassVar[int] = 0x12
    name: str
    handle: int
    is_receiver: bool
    sender_settle_mode: int | None
    receiver_settle_mode: int | None
    source: Terminus | None
    target: Terminus | None
    initial_delivery_count: int | None
    max_message_size: int | None
    properties: dict[Value, Value]

    @classmethod
    def parse(cls, fields: Fields) -> "Attach":
        """Raises ``ProtocolError``."""
        return cls(
            fields.text(0) or "",
            fields.required(1),
            fields.flag(2),
            fields.integer(3),
            fields.integer(4),
            Terminus.parse(fields.described(5), _SOURCE),
            Terminus.parse(fields.described(6), _TARGET),
            fields.integer(9),
            fields.integer(10),
            fields.mapping(13),
        )

    def fields(self) -> list[Value]:
        """The fields to send."""
        size = self.max_message_size
        modes = (self.sender_settle_mode, self.receiver_settle_mode)
        return [
            self.name,
            UInt(self.handle),
            self.is_receiver,
            *(None if mode is None else UByte(mode) for mode in modes),
            self.source.encoded() if self.source else None,
            self.target.encoded() if self.target else None,
            None,
            None,
            _uint(self.initial_delivery_count),
            None if size is None else ULong(size),
            None,
            None,
            dict(self.properties) or None,
        ]


@dataclass(frozen=True, slots=True)
class Flow:
    """Updates windows and, with a handle, a link's credit."""

    CODE: ClassVar[int] = 0x13
    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    drain: bool = False
    echo: bool = False

    @classmethod
    def parse(cls, fields: Fields) -> "Flow":
        """Raises ``ProtocolError``."""
        return cls(
            fields.integer(0),
            fields.required(1),
            fields.required(2),
            fields.required(3),
            fields.integer(4),
            fields.integer(5),
            fields.integer(6),
            fields.flag(8),
            fields.flag(9),
        )

    def fields(self) -> list[Value]:
        """The fields to send."""
        return [
            _uint(self.next_incoming_id),
            UInt(self.incoming_window),
            UInt(self.next_outgoing_id),
            UInt(self.outgoing_window),
            _uint(self.handle),
            _uint(self.delivery_count),
            _uint(self.link_credit),
            None,
            self.drain,
            self.echo,
        ]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One frame of a message; the frames behind the first may leave out what it said."""

    CODE: ClassVar[int] = 0x14
    handle: int
    delivery_id: int | None
    tag: bytes | None
    message_format: int | None
    settled: bool
    more: bool
    aborted: bool = False

    @classmethod
    def parse(cls, fields: Fields) -> "Transfer":
        """Raises ``ProtocolError``."""
        return cls(
            fields.required(0),
            fields.integer(1),
            fields.binary(2),
            fields.integer(3),
            fields.flag(4),
            fields.flag(5),
            fields.flag(9),
        )

    def fields(self) -> list[Value]:
        """The fields to send."""
        fields: list[Value] = [
            UInt(self.handle),
            _uint(self.delivery_id),
            self.tag,
            _uint(self.message_format),
            self.settled,
            self.more,
        ]
        return [*fields, None, None, None, True] if self.aborted else fields


@dataclass(frozen=True, slots=True)
class Disposition:
    """Says what became of the deliveries ``first`` to ``last``; ``is_receiver`` is the role."""

    CODE: ClassVar[int] = 0x15
    is_receiver: bool
    first: int
    last: int
    settled: bool
    outcome: Outcome | None

    @classmethod
    def parse(cls, fields: Fields) -> "Disposition":
        """Raises ``ProtocolError``."""
        first, last = fields.required(1), fields.integer(2)
        return cls(
            fields.flag(0),
            first,
            first if last is None else last,
            fields.flag(3),
            parse_outcome(fields.described(4)),
        )

    def fields(self) -> list[Value]:
        """The fields to send."""
        outcome = encode_outcome(self.outcome) if self.outcome else None
        return [self.is_receiver, UInt(self.first), UInt(self.last), self.settled, outcome]


@dataclass(frozen=True, slots=True)
class Detach:
    """Detaches a link; a peer's error is of no interest to the broker."""

    CODE: ClassVar[int] = 0x16
    handle: int
    closed: bool
    error: AmqpError | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "Detach":
        """Raises ``ProtocolError``."""
        return cls(fields.required(0), fields.flag(1))

    def fields(self) -> list[Value]:
        """The fields to send."""
        return [UInt(self.handle), self.closed, self.error.encoded() if self.error else None]


@dataclass(frozen=True, slots=True)
class End:
    """Ends a session."""

    CODE: ClassVar[int] = 0x17

    @classmethod
    def parse(cls, _: Fields) -> "End":
        """Never raises."""
        return cls()

    def fields(self) -> list[Value]:
        """The fields to send."""
        return []


@dataclass(frozen=True, slots=True)
class Close:
    """Closes a connection."""

    CODE: ClassVar[int] = 0x18
    error: AmqpError | None = None

    @classmethod
    def parse(cls, _: Fields) -> "Close":
        """Never raises."""
        return cls()

    def fields(self) -> list[Value]:
        """The fields to send."""
        return [self.error.encoded() if self.error else None]


type Performative = Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close

_KINDS: dict[int, Callable[[Fields], Performative]] = {
    kind.CODE: kind.parse
    for kind in (Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close)
}


def parse_performative(value: Value) -> Performative:
    """The performative a frame starts with; raises ``ProtocolError`` for anything else."""
    if not isinstance(value, Described) or not isinstance(value.descriptor, int):
        raise ProtocolError("a frame that starts with no performative")
    parse = _KINDS.get(value.descriptor)
    if parse is None:
        raise ProtocolError(f"unknown performative 0x{value.descriptor:x}")
    return parse(Fields.of(value.value))
