"""What charge models share: bands, exact arithmetic, the priced result, and checks of bands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import (
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import ClassVar, Protocol

from shared.domain.errors import FieldError
from shared.domain.money import ZERO, to_text
from shared.domain.wire import WIRE

PRICING = Context(prec=256, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
"""Prices are worked out in this context, which raises rather than lose a digit.

A quantity of 34 digits times a price and several percentages of 33 each fits with room to
spare; the one rounding of a bill line comes later (semantics, rule 9).
"""

MAX_BANDS = 100
MAX_PRICE = Decimal(10) ** 15
MAX_PRICE_PLACES = 18

HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Band:
    """A price for the part of a quantity up to ``up_to`` (inclusive; ``None``: without end).

    ``unit_price`` and ``fixed_price`` are in the plan's currency (semantics, rules 2-4).
    """

    __pydantic_config__: ClassVar = WIRE

    unit_price: Decimal = ZERO
    up_to: Decimal | None = None
    fixed_price: Decimal = ZERO


@dataclass(slots=True)
class BandUse:
    """One band's part in an amount: ``units`` priced, and what they and the fixed price cost.

    ``unit_price`` is what one unit costs, of PACKAGE what one block costs; ``blocks`` is how many
    blocks were charged. Not frozen because ratings make these by the thousand and freezing them
    takes as long as all the arithmetic; nothing changes one once it is made.
    """

    lower: Decimal
    upper: Decimal | None
    units: Decimal
    unit_price: Decimal
    fixed_price: Decimal
    amount: Decimal
    blocks: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Priced:
    """An exact amount, not rounded, with the bands that made it."""

    amount: Decimal
    bands: tuple[BandUse, ...] = ()


FREE = Priced(ZERO)


class Bounded(Protocol):
    """Anything that holds for the part of a quantity up to an inclusive bound."""

    @property
    def up_to(self) -> Decimal | None:
        """Where it ends, or ``None`` when it does not."""


def entered[B: Bounded](
    bands: Sequence[B], quantity: Decimal
) -> Iterator[tuple[B, Decimal, Decimal]]:
    """Every band ``quantity`` reaches into: the band, its lower bound, the units inside it.

    The first counts as entered at zero. The last takes all that is left even if it is bounded, so
    no unit goes unpriced. Runs in the caller's decimal context.
    """
    lower = ZERO
    for band in bands[:-1]:
        upper = band.up_to
        if upper is None or quantity <= upper:
            yield band, lower, quantity - lower
            return
        yield band, lower, upper - lower
        lower = upper
    yield bands[-1], lower, quantity - lower


def reached[B: Bounded](bands: Sequence[B], quantity: Decimal) -> tuple[B, Decimal]:
    """The band ``quantity`` lies in, and that band's lower bound; the last has no end."""
    lower = ZERO
    for band in bands[:-1]:
        if band.up_to is None or quantity <= band.up_to:
            return band, lower
        lower = band.up_to
    return bands[-1], lower


def fault_of_price(price: Decimal) -> str | None:
    """Why ``price`` cannot be a price, percentage or quantity of a plan; ``None`` when it can."""
    if not price.is_finite():
        return f"{price} is not a finite number; give a plain decimal number, 0 or more"
    if price < 0:
        return f"{to_text(price)} is negative; give 0 or more"
    if price >= MAX_PRICE:
        return f"{to_text(price)} is too large; give less than 1,000,000,000,000,000"
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_PRICE_PLACES:
        return f"has {-exponent} decimal places; give at most {MAX_PRICE_PLACES}"
    return None


def price_faults(pointer: str, price: Decimal | None) -> Iterator[FieldError]:
    """The fault of one optional price, if it has one."""
    if price is not None and (message := fault_of_price(price)) is not None:
        yield FieldError(pointer, message)


def order_faults(pointer: str, least: Decimal | None, most: Decimal | None) -> Iterator[FieldError]:
    """The fault of a minimum above its maximum; numbers with faults of their own are passed by."""
    if least is None or most is None or fault_of_price(least) or fault_of_price(most):
        return
    if least > most:
        message = f"{to_text(least)} is above the maximum, {to_text(most)}; give at most that"
        yield FieldError(pointer, message)


def band_faults(bands: Sequence[Bounded]) -> Iterator[FieldError]:
    """What is wrong with the bounds of ``bands``, with pointers below ``/bands``.

    A band begins where the one before it ends, so gaps and overlaps cannot be written down; what
    can go wrong is the order of the bounds and a missing or superfluous one.
    """
    if not bands:
        yield FieldError("/bands", "is empty; give at least one band, the last one without upTo")
        return
    if len(bands) > MAX_BANDS:
        yield FieldError("/bands", f"has {len(bands)} bands; give at most {MAX_BANDS}")
    lower = ZERO
    for index, band in enumerate(bands[:-1]):
        pointer = f"/bands/{index}/upTo"
        bound = band.up_to
        if bound is None:
            message = "is missing although bands follow; say where this band ends, inclusive"
            yield FieldError(pointer, message)
        elif fault := _fault_of_bound(bound, lower, first=index == 0):
            yield FieldError(pointer, fault)
        else:
            lower = bound
    if (last := bands[-1].up_to) is not None:
        message = f"usage above {last} would have no price; leave upTo out of the last band"
        yield FieldError(f"/bands/{len(bands) - 1}/upTo", message)


def _fault_of_bound(bound: Decimal, lower: Decimal, *, first: bool) -> str | None:
    message = fault_of_price(bound)
    if message is not None or bound > lower:
        return message
    if first:
        return f"{to_text(bound)} leaves the band empty; the first band ends above 0"
    return (
        f"{to_text(bound)} is not above {to_text(lower)}, where the band before it ends; "
        "put bands in rising order"
    )
