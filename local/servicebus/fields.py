"""Typed access to the positional fields of AMQP composites that a peer sent."""

from dataclasses import dataclass

from local.servicebus.codec import Described, Value


class ProtocolError(Exception):
    """The peer broke the protocol so that its connection cannot go on.

    ``condition`` is the AMQP error condition the connection is closed with.
    """

    def __init__(self, description: str, condition: str = "amqp:decode-error") -> None:
        super().__init__(description)
        self.condition = condition


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields behind the end of the list are absent, like null; wrong types raise.

    All methods raise ``ProtocolError``.
    """

    values: list[Value]

    @classmethod
    def of(cls, value: Value) -> "Fields":
        """The fields of a composite's list."""
        if not isinstance(value, list):
            raise ProtocolError("a composite that is not a list")
        return cls(value)

    def value(self, index: int) -> Value:
        """The field as decoded."""
        return self.values[index] if index < len(self.values) else None

    def integer(self, index: int) -> int | None:
        """A number, or None."""
        value = self.value(index)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise ProtocolError(f"field {index} must be a number")

    def required(self, index: int) -> int:
        """A number that must be there."""
        value = self.integer(index)
        if value is None:
            raise ProtocolError(f"field {index} is required")
        return value

    def flag(self, index: int) -> bool:
        """A boolean; absent means False."""
        value = self.value(index)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise ProtocolError(f"field {index} must be a boolean")

    def text(self, index: int) -> str | None:
        """A string or symbol, or None."""
        value = self.value(index)
        if value is None or isinstance(value, str):
            return value
        raise ProtocolError(f"field {index} must be a string")

    def binary(self, index: int) -> bytes | None:
        """Bytes, or None."""
        value = self.value(index)
        if value is None or isinstance(value, bytes):
            return value
        raise ProtocolError(f"field {index} must be binary")

    def described(self, index: int) -> Described | None:
        """A described value, or None."""
        value = self.value(index)
        if value is None or isinstance(value, Described):
            return value
        raise ProtocolError(f"field {index} must be a described value")

    def mapping(self, index: int) -> dict[Value, Value]:
        """A map; absent means empty."""
        value = self.value(index)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        raise ProtocolError(f"field {index} must be a map")
