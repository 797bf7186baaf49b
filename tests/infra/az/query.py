"""The part of JMESPath that the scripts use: paths, filters for equality, lists of paths."""

import re
from typing import Any

_FILTER = re.compile(r"\[\?([\w.]+)=='([^']*)'\]")

type Json = Any
"""A parsed JSON document."""


def search(expression: str, data: Json) -> Json:
    """What ``expression`` selects of ``data``; ``None`` where there is nothing.

    Raises ``ValueError`` for anything else than the supported part of the language.
    """
    expression = re.sub(r"\s+", "", expression)
    if not expression:
        return data
    if expression.startswith('"'):
        name, _, rest = expression[1:].partition('"')
        return search(rest.removeprefix("."), _member(data, name))
    if found := _FILTER.match(expression):
        kept = [item for item in data or [] if search(found[1], item) == found[2]]
        return _projected(expression[found.end() :], kept)
    if expression.startswith("[]"):
        return _projected(expression[2:], data)
    if found := re.match(r"\[(\d+)\]", expression):
        at = int(found[1])
        item = data[at] if isinstance(data, list) and at < len(data) else None
        return search(expression[found.end() :].removeprefix("."), item)
    if expression.startswith("[") and expression.endswith("]"):
        return None if data is None else [search(e, data) for e in expression[1:-1].split(",")]
    if found := re.match(r"[A-Za-z_]\w*", expression):
        rest = expression[found.end() :].removeprefix(".")
        return search(rest, _member(data, found[0]))
    raise ValueError(f"the stand-in does not know this query: {expression}")


def _projected(rest: str, items: Json) -> Json:
    if items is None:
        return None
    if rest.endswith("][]"):
        rows = _projected(rest.removesuffix("[]"), items)
        return [value for row in rows for value in row if value is not None]
    found = [search(rest.removeprefix("."), item) for item in items]
    return [item for item in found if item is not None]


def _member(data: Json, name: str) -> Json:
    return data.get(name) if isinstance(data, dict) else None


def tsv(result: Json) -> str:
    """How az writes a result with ``--output tsv``."""
    rows = result if isinstance(result, list) else [result]
    return "".join(f"{_cell(row)}\n" for row in rows)


def _cell(value: Json) -> str:
    match value:
        case list():
            return "\t".join(_cell(item) for item in value)
        case dict():
            return "\t".join(_cell(item) for item in value.values())
        case bool():
            return str(value).lower()
        case _:
            return str(value)
