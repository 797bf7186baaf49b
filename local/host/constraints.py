"""Inline constraints of ASP.NET route templates, such as ``int`` or ``length(1,5)``."""

import re
from collections.abc import Callable
from datetime import datetime

type Check = Callable[[str], bool]

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_HEX = r"[0-9a-fA-F]"
_DASHED = rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_GUID = re.compile(rf"{_HEX}{{32}}|{_DASHED}|\{{{_DASHED}\}}|\({_DASHED}\)")
_ALPHA = re.compile(r"[a-zA-Z]*")
_DATE_FORMATS = ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p")
_CONSTRAINT = re.compile(r"([A-Za-z]+)(?:\((.*)\))?", re.DOTALL)


class ConstraintError(ValueError):
    """A constraint is unknown or its arguments cannot be read."""


def parse_constraint(text: str) -> Check:
    """The test for one constraint; raises ``ConstraintError``.

    Names and meaning: Microsoft Learn, "Routing in ASP.NET Core", route constraints.
    """
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise ConstraintError(f"constraint {text!r} cannot be read")
    name, argument = match[1].lower(), match[2]
    if argument is None:
        if name in _PLAIN:
            return _PLAIN[name]
    elif name == "regex":
        return _regex(argument)
    elif name in _BOUNDED:
        return _bounded(name, argument)
    raise ConstraintError(f"constraint {text!r} is unknown")


def _is_integer(bits: int) -> Check:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return lambda value: _INTEGER.fullmatch(value) is not None and low <= int(value) <= high


def _is_datetime(value: str) -> bool:
    for read in (datetime.fromisoformat, *map(_date_reader, _DATE_FORMATS)):
        try:
            read(value)
        except ValueError:
            continue
        return True
    return False


def _date_reader(form: str) -> Callable[[str], datetime]:
    # Only whether the text is a date counts; its zone does not.
    return lambda value: datetime.strptime(value, form)  # noqa: DTZ007 - the value is not used


_PLAIN: dict[str, Check] = {
    "int": _is_integer(32),
    "long": _is_integer(64),
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    "bool": lambda value: value.lower() in {"true", "false"},
    "decimal": lambda value: _DECIMAL.fullmatch(value) is not None,
    "double": lambda value: _DOUBLE.fullmatch(value) is not None,
    "float": lambda value: _DOUBLE.fullmatch(value) is not None,
    "datetime": _is_datetime,
    "alpha": lambda value: _ALPHA.fullmatch(value) is not None,
    "required": lambda value: value != "",
}

_BOUNDED: dict[str, int] = {
    "length": 2,
    "minlength": 1,
    "maxlength": 1,
    "min": 1,
    "max": 1,
    "range": 2,
}


def _bounded(name: str, argument: str) -> Check:
    try:
        numbers = [int(part) for part in argument.split(",")]
    except ValueError as error:
        raise ConstraintError(f"{name}({argument}): whole numbers are needed") from error
    if not 1 <= len(numbers) <= _BOUNDED[name] or (name == "range" and len(numbers) != 2):
        raise ConstraintError(f"{name}({argument}): wrong number of arguments")
    first, last = numbers[0], numbers[-1]
    match name:
        case "length":
            return lambda value: first <= len(value) <= last
        case "minlength":
            return lambda value: len(value) >= first
        case "maxlength":
            return lambda value: len(value) <= first
        case "min":
            return _number_check(lambda number: number >= first)
        case "max":
            return _number_check(lambda number: number <= first)
        case _:
            return _number_check(lambda number: first <= number <= last)


def _number_check(accepts: Callable[[int], bool]) -> Check:
    is_long = _is_integer(64)
    return lambda value: is_long(value) and accepts(int(value))


def _regex(pattern: str) -> Check:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ConstraintError(f"regex({pattern}): {error}") from error
    return lambda value: compiled.search(value) is not None
