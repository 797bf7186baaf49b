"""Custom fields: numbers and texts that a publisher hangs on things and uses in expressions."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from shared.domain.errors import FieldError
from shared.domain.ids import is_code
from shared.domain.money import fault_of_measure
from shared.domain.usage.event import MAX_TEXT, DataValue

type CustomFields = Mapping[str, DataValue]
"""Values by name; expressions read them as ``custom.name``."""

PREFIX = "custom."
MAX_CUSTOM = 64

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")


def custom_values(*holders: CustomFields) -> dict[str, DataValue]:
    """What expressions see of ``holders``, of which later ones win over earlier ones.

    A text that is a plain number counts as that number: documents spell numbers both ways.
    """
    return {
        f"{PREFIX}{name}": Decimal(value)
        if isinstance(value, str) and _NUMBER.fullmatch(value)
        else value
        for fields in holders
        for name, value in fields.items()
    }


def overridden(base: Mapping[str, DataValue], own: CustomFields) -> dict[str, DataValue]:
    """What expressions see of the catalogue's fields (``base``, by their names in expressions) for
    an account with fields of its ``own``: those count where the catalogue has one of that name,
    and of that kind, so that there always is a value that expressions were checked with."""
    found = dict(base)
    for name, value in custom_values(own).items():
        known = base.get(name)
        if known is not None and isinstance(value, Decimal) is isinstance(known, Decimal):
            found[name] = value
    return found


def custom_names(*holders: CustomFields) -> Iterator[str]:
    """The names by which expressions may read the fields of ``holders``."""
    return (f"{PREFIX}{name}" for fields in holders for name in fields)


def custom_faults(place: str, fields: CustomFields) -> Iterable[FieldError]:
    """What is wrong with custom fields; pointers begin with ``place``."""
    if len(fields) > MAX_CUSTOM:
        yield FieldError(place, f"has {len(fields)} fields; give at most {MAX_CUSTOM}")
    for name, value in fields.items():
        pointer = f"{place}/{name}"
        if not is_code(name):
            yield FieldError(place, f"{name[:64]!r} is no name; use letters, digits, '.', '_', '-'")
        elif isinstance(value, str):
            if len(value) > MAX_TEXT:
                yield FieldError(pointer, f"must have at most {MAX_TEXT} characters")
        elif (fault := fault_of_measure(value)) is not None:
            yield FieldError(pointer, fault)
