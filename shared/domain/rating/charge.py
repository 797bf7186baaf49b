"""What a charge model makes of a quantity: the amount, and how the bands came to it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from shared.domain.money import ZERO
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Band:
    """A price for the part of a quantity up to ``up_to`` (inclusive; ``None``: without end).

    ``unit_price`` and ``fixed_price`` are in the plan's currency (semantics, rules 2-4).
    """

    __pydantic_config__: ClassVar = WIRE

    unit_price: Decimal = ZERO
    up_to: Decimal | None = None
    fixed_price: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class BandUse:
    """One band's part in an amount: ``units`` priced, and what they and the fixed price cost."""

    lower: Decimal
    upper: Decimal | None
    units: Decimal
    unit_price: Decimal
    fixed_price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Priced:
    """An exact amount, not rounded, with the bands that made it."""

    amount: Decimal
    bands: tuple[BandUse, ...] = ()
