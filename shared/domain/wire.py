"""How domain types are spelled outside: camelCase names, nothing unknown accepted."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol, get_args, get_type_hints

from shared.domain.money import to_text

type Json = bool | int | str | list["Json"] | dict[str, "Json"] | None
"""A JSON value without binary fractions: exact numbers are spelled as text."""


def camel(name: str) -> str:
    """``unit_price`` → ``unitPrice``."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


WIRE: dict[str, Any] = {"alias_generator": camel, "extra": "forbid"}
"""What a type that callers may send carries as ``__pydantic_config__``.

It is plain data: the domain imports no validation library, the edges do.
"""


class SchemaHandler(Protocol):
    """The part of the validation library's handler that ``Tagged`` uses."""

    def generate_schema(self, source_type: type, /) -> object:
        """The schema of one type."""


class Tagged:
    """Makes a tag required on the wire and decide which member of a union is meant.

    Without it a document that leaves the tag out would fit several members, and one would be
    guessed. The hook is called by the validation library of the edges; nothing is imported here.
    """

    def __init__(self, name: str, *members: type) -> None:
        self._name = name
        self._members = members

    def __get_pydantic_core_schema__(
        self, _source: object, handler: SchemaHandler
    ) -> dict[str, object]:
        choices = {tag_of(m, self._name): handler.generate_schema(m) for m in self._members}
        return {"type": "tagged-union", "discriminator": self._name, "choices": choices}


def tag_of(member: type, name: str) -> str:
    """The one value that a member of a tagged union has in its field ``name``."""
    (tag,) = get_args(get_type_hints(member)[name])
    return str(tag)


def document_of(value: object) -> Json:
    """A domain value as it would be written outside: what is left open is left out."""
    spellings = _spellings(type(value))
    if spellings is not None:
        named = ((name, getattr(value, attribute)) for name, attribute in spellings)
        return {name: document_of(item) for name, item in named if item is not None}
    match value:
        case None | bool() | int():
            return value
        case Decimal():
            return to_text(value)
        case Enum():
            return str(value.value)
        case str():
            return str(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): document_of(item) for key, item in value.items()}
        case tuple() | list():
            return [document_of(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no spelling on the wire")


_SPELLINGS: dict[type, tuple[tuple[str, str], ...] | None] = {}


def _spellings(kind: type) -> tuple[tuple[str, str], ...] | None:
    """The fields of a dataclass on the wire and here, found once: a catalogue has thousands of
    values. ``None`` for other types."""
    if kind not in _SPELLINGS:
        known = fields(kind) if is_dataclass(kind) else None
        _SPELLINGS[kind] = None if known is None else tuple((camel(f.name), f.name) for f in known)
    return _SPELLINGS[kind]
