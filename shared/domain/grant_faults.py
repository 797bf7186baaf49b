"""What credits, prepayments and charges may ask for, whoever gives them."""

from collections.abc import Iterator
from decimal import Decimal

from shared.domain.errors import FieldError
from shared.domain.money import MAX_PLACES
from shared.domain.rating.charge import fault_of_price

MAX_PRIORITY = 1_000_000
MAX_DESCRIPTION = 500
_SURCHARGE = (Decimal(-100), Decimal(1000))


def amount_faults(pointer: str, amount: Decimal) -> Iterator[FieldError]:
    """The fault of an amount of money or a quantity."""
    fault = fault_of_price(amount)
    if fault is not None:
        yield FieldError(pointer, fault)
    elif not amount:
        yield FieldError(pointer, "must be above zero")


def surcharge_faults(pointer: str, percent: Decimal | None) -> Iterator[FieldError]:
    """The fault of a surcharge on usage beyond a prepayment."""
    if percent is None:
        return
    least, most = _SURCHARGE
    if not percent.is_finite() or not least <= percent <= most:
        yield FieldError(pointer, f"must be from {least} to {most}: a part of the price in percent")
    elif percent != round(percent, MAX_PLACES):
        yield FieldError(pointer, f"must have at most {MAX_PLACES} decimal places")


def priority_faults(pointer: str, priority: int) -> Iterator[FieldError]:
    """The fault of a place in the order of drawing down."""
    if not 0 <= priority <= MAX_PRIORITY:
        message = f"must be from 0 to {MAX_PRIORITY}; lower ones are drawn first"
        yield FieldError(pointer, message)


def description_faults(pointer: str, description: str) -> Iterator[FieldError]:
    """The fault of a text for people."""
    if len(description) > MAX_DESCRIPTION:
        yield FieldError(pointer, f"must have at most {MAX_DESCRIPTION} characters")
