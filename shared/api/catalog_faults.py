"""Faults of a catalogue's shape in words that say what would be right."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.api.catalog_schema import known_fields
from shared.api.objects import pointer
from shared.domain.errors import FieldError
from shared.domain.rating.models import CHARGE_TAGS

TAGS = CHARGE_TAGS | {"AMOUNT", "QUANTITY", "UPFRONT", "MILESTONE", "RECURRING"}
"""Steps of the library's places that say which member of a union was meant."""

MAX_FAULTS = 500

_WORDS = {
    "missing": "is missing",
    "none_required": "must be left out",
    "string_type": "must be text; put it in quotes if it looks like something else",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "dataclass_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
_KINDS = {
    "decimal": "must be a number, such as 0.01",
    "int": "must be a whole number",
    "date": "must be a date, such as 2026-12-01",
    "is": "must be something else",
}

type Fault = Mapping[str, Any]


def shape_faults(error: ValidationError) -> list[FieldError]:
    """Every fault once, with a JSON pointer."""
    found: dict[FieldError, None] = {}
    for fault in error.errors(include_url=False, include_input=False)[:MAX_FAULTS]:
        steps = [s for s in fault["loc"] if s not in TAGS and s not in {"decimal", "str"}]
        found[FieldError(pointer(steps), _message(fault))] = None
    return list(found)


def _message(fault: Fault) -> str:
    kind = str(fault["type"])
    context = fault.get("ctx") or {}
    match kind:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return _unknown_field(fault["loc"])
        case "union_tag_not_found":
            return f"needs {context['discriminator'].strip(chr(39))} to say what it is"
        case "union_tag_invalid":
            return _one_of(str(context["tag"]), str(context["expected_tags"]))
        case "enum" | "literal_error":
            return f"must be {context['expected']}"
    if kind in _WORDS:
        return _WORDS[kind]
    return _KINDS.get(kind.split("_", maxsplit=1)[0], str(fault["msg"]))


def _unknown_field(loc: tuple[int | str, ...]) -> str:
    name, known = str(loc[-1]), known_fields(loc[:-1])
    near = difflib.get_close_matches(name[:64], known, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
    return f"is not a field here{hint if known else ''}"


def _one_of(given: str, expected: str) -> str:
    known = [tag.strip("' ") for tag in expected.split(",")]
    near = difflib.get_close_matches(given[:64], known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{given[:64]} is none of {', '.join(known)}{hint}"
