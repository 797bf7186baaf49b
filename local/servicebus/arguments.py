"""Typed access to what a management request asks for."""

import uuid
from dataclasses import dataclass

from local.servicebus.codec import Array, Value
from local.servicebus.faults import InvalidRequest


@dataclass(frozen=True, slots=True)
class Arguments:
    """A request's body with typed access; methods raise ``InvalidRequest``.

    ``caller`` is the name of the link on whose behalf the request is made, where it says so.
    """

    values: dict[Value, Value]
    caller: str | None = None

    def integer(self, name: str, default: int | None = None) -> int:
        """A number."""
        value = self.values.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise InvalidRequest(f"'{name}' must be a number.")

    def text(self, name: str) -> str:
        """A string."""
        value = self.values.get(name)
        if isinstance(value, str):
            return value
        raise InvalidRequest(f"'{name}' must be a string.")

    def optional_text(self, name: str) -> str | None:
        """A string, or None."""
        return None if self.values.get(name) is None else self.text(name)

    def optional_binary(self, name: str) -> bytes | None:
        """Bytes, or None."""
        value = self.values.get(name)
        if value is None or isinstance(value, bytes):
            return value
        raise InvalidRequest(f"'{name}' must be binary.")

    def items(self, name: str) -> tuple[Value, ...]:
        """The elements of an array or a list."""
        match self.values.get(name):
            case Array(items=items):
                return items
            case list() as items:
                return tuple(items)
            case _:
                raise InvalidRequest(f"'{name}' must be an array.")

    def integers(self, name: str) -> list[int]:
        """An array of numbers."""
        return [Arguments({name: item}).integer(name) for item in self.items(name)]

    def tokens(self) -> list[uuid.UUID]:
        """The lock tokens."""
        return [_uuid(item) for item in self.items("lock-tokens")]

    def maps(self, name: str) -> "list[Arguments]":
        """A list of maps."""
        items = self.items(name)
        if not all(isinstance(item, dict) for item in items):
            raise InvalidRequest(f"'{name}' must hold maps.")
        return [Arguments(item) for item in items if isinstance(item, dict)]


def _uuid(value: Value) -> uuid.UUID:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError as exc:
        raise InvalidRequest("A lock token must be a UUID.") from exc
