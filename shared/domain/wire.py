"""How domain types are spelled outside: camelCase names, nothing unknown accepted."""

from typing import Any


def camel(name: str) -> str:
    """``unit_price`` → ``unitPrice``."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


WIRE: dict[str, Any] = {"alias_generator": camel, "extra": "forbid"}
"""What a type that callers may send carries as ``__pydantic_config__``.

It is plain data: the domain imports no validation library, the edges do.
"""
