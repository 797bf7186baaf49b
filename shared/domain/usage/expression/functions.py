"""The functions of expressions: what they are called, what they take, what they compute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from difflib import get_close_matches

from shared.domain.money import CONTEXT, ONE, ZERO, to_text
from shared.domain.usage.event import MAX_TEXT, DataValue

BOUNDED = CONTEXT.copy()
"""As ``CONTEXT``, 34 digits and half up, but results from 10^31 on raise ``Overflow`` and what is
smaller than 10^-93 is zero, so no value has a long spelling."""
BOUNDED.Emax = 30
BOUNDED.Emin = -60

MAX_EXPONENT = 1_000
MAX_ARGUMENTS = 64
MAX_DIGITS = 15

type Function = Callable[..., DataValue]
"""Takes values and gives one; raises ``TypeError`` for a text where a number belongs and
``ArithmeticError`` where there is no result."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a function is called: its name, its fewest and most arguments, its usage in words."""

    name: str
    least: int
    most: int
    usage: str


def power(base: DataValue, exponent: DataValue) -> Decimal:
    """``base`` to the ``exponent``, which is at most ``MAX_EXPONENT`` in magnitude."""
    if isinstance(base, str) or isinstance(exponent, str):
        raise TypeError("a power is made of numbers")
    if exponent.copy_abs() > MAX_EXPONENT:
        raise Overflow("the exponent is too great")
    if not base and exponent < 0:
        raise DivisionByZero("zero has no negative power")
    return BOUNDED.power(base, exponent)


def _rounded(number: DataValue, digits: DataValue, rounding: str) -> Decimal:
    if isinstance(number, str) or isinstance(digits, str):
        raise TypeError("only numbers are rounded")
    if digits != digits.to_integral_value() or digits.copy_abs() > MAX_DIGITS:
        raise InvalidOperation("digits are a whole number")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -digits:
        return number
    return number.quantize(ONE.scaleb(-int(digits)), rounding=rounding, context=BOUNDED)


def _round(number: DataValue, digits: DataValue = ZERO) -> Decimal:
    return _rounded(number, digits, ROUND_HALF_UP)


def _floor(number: DataValue, digits: DataValue = ZERO) -> Decimal:
    return _rounded(number, digits, ROUND_FLOOR)


def _ceil(number: DataValue, digits: DataValue = ZERO) -> Decimal:
    return _rounded(number, digits, ROUND_CEILING)


def _numbers(values: tuple[DataValue, ...]) -> list[Decimal]:
    numbers = [value for value in values if isinstance(value, Decimal)]
    if len(numbers) < len(values):
        raise TypeError("only numbers have an order")
    return numbers


def _least(*values: DataValue) -> Decimal:
    return min(_numbers(values))


def _greatest(*values: DataValue) -> Decimal:
    return max(_numbers(values))


def _absolute(number: DataValue) -> Decimal:
    if isinstance(number, str):
        raise TypeError("a text has no magnitude")
    return number.copy_abs()


def _concat(*values: DataValue) -> str:
    text = "".join(value if isinstance(value, str) else to_text(value) for value in values)
    if len(text) > MAX_TEXT:
        raise Overflow("the text is too long")
    return text


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form("if", 3, 3, "if(condition, then, otherwise)"),
        Form("isnull", 1, 1, "isnull(value)"),
        Form("coalesce", 1, MAX_ARGUMENTS, "coalesce(value, …)"),
        Form("round", 1, 2, "round(number[, digits])"),
        Form("floor", 1, 2, "floor(number[, digits])"),
        Form("ceil", 1, 2, "ceil(number[, digits])"),
        Form("min", 1, MAX_ARGUMENTS, "min(number, …)"),
        Form("max", 1, MAX_ARGUMENTS, "max(number, …)"),
        Form("pow", 2, 2, "pow(base, exponent)"),
        Form("abs", 1, 1, "abs(number)"),
        Form("concat", 1, MAX_ARGUMENTS, "concat(value, …)"),
    )
}

FUNCTIONS: Mapping[str, Function] = {
    "round": _round,
    "floor": _floor,
    "ceil": _ceil,
    "min": _least,
    "max": _greatest,
    "pow": power,
    "abs": _absolute,
    "concat": _concat,
}
"""Those that need all their arguments; the others of ``FORMS`` choose which to evaluate."""

_ALIASES = {"least": "min", "greatest": "max", "ceiling": "ceil"}
_PREFIX = "math."


def form_of(name: str) -> Form | None:
    """The function called ``name``: upper case, ``Math.`` and SQL's names are understood."""
    plain = name.lower().removeprefix(_PREFIX)
    return FORMS.get(_ALIASES.get(plain, plain))


def unknown_function(name: str) -> str:
    """What to say about a function that does not exist, with the nearest that does."""
    plain = name.lower().removeprefix(_PREFIX)
    near = get_close_matches(plain, [*FORMS, *_ALIASES], n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(FORMS)}"
    return f'unknown function "{name}"; {hint}'
