"""Exact numbers: how amounts and quantities are read, rounded and written."""

from decimal import (
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

CONTEXT = Context(
    prec=34, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow]
)
"""Every calculation that may round uses this context: 34 digits, half up."""

EXACT = Context(prec=34, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
"""Sums of measured values use this context: it raises rather than lose a digit."""

MAX_MAGNITUDE = Decimal(10) ** 15
MAX_PLACES = 9
"""A measured value stays under 10^15 with at most 9 decimal places, so a sum of ten billion of
them is exact in 34 digits."""

ZERO = Decimal(0)
ONE = Decimal(1)

_MINOR_UNITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0, "KWD": 3, "BHD": 3, "TND": 3}


def minor_digits(currency: str) -> int:
    """Decimal places of a currency's smallest unit (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def round_half_up(amount: Decimal, digits: int) -> Decimal:
    """``amount`` at ``digits`` decimal places, halves away from zero."""
    return amount.quantize(ONE.scaleb(-digits), rounding=ROUND_HALF_UP, context=CONTEXT)


def floor_to(amount: Decimal, digits: int) -> Decimal:
    """The greatest number with ``digits`` decimal places that is not above ``amount``."""
    return amount.quantize(ONE.scaleb(-digits), rounding=ROUND_FLOOR, context=CONTEXT)


def to_text(number: Decimal) -> str:
    """The one spelling of a number: plain digits, no exponent, no trailing zeros."""
    if not number:
        return "0"
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(number: Decimal) -> int:
    """Decimal places as written. Of most numbers the text tells them, in a tenth of the time."""
    text = str(number)
    if "E" not in text:
        return len(text.partition(".")[2])
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def fault_of_measure(number: Decimal) -> str | None:
    """Why ``number`` cannot be a measured value, or ``None`` when it can.

    The bounds keep sums exact; see ``MAX_MAGNITUDE``.
    """
    if not number.is_finite():
        return "must be a finite number"
    if abs(number) >= MAX_MAGNITUDE:
        return "must be below 1,000,000,000,000,000 in magnitude"
    if _places(number) > MAX_PLACES:
        return f"must have at most {MAX_PLACES} decimal places"
    return None
