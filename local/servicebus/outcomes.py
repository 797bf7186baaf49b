"""Delivery states and errors: what peers say about a delivery (AMQP 1.0, part 3.4)."""

from dataclasses import dataclass, field

from local.servicebus.codec import Described, Encoded, Symbol, ULong, Value, encode
from local.servicebus.fields import Fields, ProtocolError

_ERROR = 0x1D


@dataclass(frozen=True, slots=True)
class AmqpError:
    """Why something was refused or ended."""

    condition: str
    description: str | None = None
    info: dict[Value, Value] = field(default_factory=dict)

    def encoded(self) -> Described:
        """The error as a composite."""
        info: Value = dict(self.info) or None
        return Described(ULong(_ERROR), [Symbol(self.condition), self.description, info])


@dataclass(frozen=True, slots=True)
class Received:
    """Not terminal: so much has arrived."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Processed."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused, or, from a receiver of Service Bus, to be dead-lettered."""

    error: AmqpError | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """Not processed, and as if never delivered."""


@dataclass(frozen=True, slots=True)
class Modified:
    """Not processed; ``undeliverable_here`` asks Service Bus to defer."""

    delivery_failed: bool
    undeliverable_here: bool


type Outcome = Received | Accepted | Rejected | Released | Modified


def parse_outcome(value: Described | None) -> Outcome | None:
    """The outcome of a disposition; raises ``ProtocolError`` for anything unknown."""
    if value is None:
        return None
    fields = Fields.of(value.value)
    match value.descriptor:
        case 0x23:
            return Received()
        case 0x24:
            return Accepted()
        case 0x25:
            return Rejected(_parse_error(fields.described(0)))
        case 0x26:
            return Released()
        case 0x27:
            return Modified(fields.flag(0), fields.flag(1))
        case _:
            raise ProtocolError(f"unknown delivery state {value.descriptor!r}")


def _parse_error(value: Described | None) -> AmqpError | None:
    if value is None:
        return None
    fields = Fields.of(value.value)
    return AmqpError(fields.text(0) or "", fields.text(1), fields.mapping(2))


_PLAIN = {
    kind: Encoded(encode(Described(ULong(code), [])))
    for kind, code in ((Received, 0x23), (Accepted, 0x24), (Rejected, 0x25), (Released, 0x26))
}


def encode_outcome(outcome: Outcome) -> Value:
    """The composite of an outcome."""
    match outcome:
        case Rejected(AmqpError() as error):
            return Described(ULong(0x25), [error.encoded()])
        case Modified(failed, undeliverable):
            return Described(ULong(0x27), [failed, undeliverable])
        case Received() | Accepted() | Rejected() | Released():
            return _PLAIN[type(outcome)]
