"""CUSTOM pricing: every event carries its own price, and a line shows their weighted average."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal
from typing import ClassVar, Literal

from shared.domain.money import ZERO, round_half_up
from shared.domain.rating.charge import BandUse, Priced
from shared.domain.wire import WIRE

SHOWN_PLACES = 10
"""Decimal places of the average price on a line (semantics, rule 28)."""

_TRUNCATING = Context(prec=60, rounding=ROUND_DOWN)
"""Cutting the quotient off first keeps the half-up that follows from rounding twice."""


@dataclass(frozen=True, slots=True)
class Custom:
    """The price of each event is in the event itself; there is nothing to configure."""

    __pydantic_config__: ClassVar = WIRE

    model: Literal["CUSTOM"] = "CUSTOM"


@dataclass(frozen=True, slots=True)
class CustomInput:
    """What is kept of the events of one unit type, currency and period (semantics, rule 28).

    ``quantity`` is Σq, ``amount`` the exact Σ(q·p); ``description`` and ``at`` are those of the
    first event.
    """

    quantity: Decimal
    amount: Decimal
    description: str
    at: datetime


def average_price(usage: CustomInput) -> Decimal:
    """Σ(q·p)/Σq at ten decimals, half up; zero when there is no quantity to divide by.

    It is for showing: the line's amount is the exact sum, never quantity times this.
    """
    if not usage.quantity:
        return ZERO
    return round_half_up(_TRUNCATING.divide(usage.amount, usage.quantity), SHOWN_PLACES)


def charge_custom(usage: CustomInput) -> Priced:
    """The exact sum, as one band at the average price; a sum below zero costs nothing."""
    amount = max(usage.amount, ZERO)
    use = BandUse(ZERO, None, usage.quantity, average_price(usage), ZERO, amount)
    return Priced(amount, (use,))
