"""How domain types are spelled outside: camelCase names, nothing unknown accepted."""

from typing import Any, Protocol, get_args, get_type_hints


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
