"""TIERED pricing: every band prices its own part of the quantity."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from shared.domain.money import CONTEXT, ZERO
from shared.domain.rating.charge import Band, BandUse, Priced
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Tiered:
    """Graduated bands; the fixed price of every band entered is due (semantics, rules 3-4)."""

    __pydantic_config__: ClassVar = WIRE

    bands: tuple[Band, ...]
    model: Literal["TIERED"] = "TIERED"


def charge_tiered(model: Tiered, quantity: Decimal) -> Priced:
    """Price ``quantity`` (not negative). The first band counts as entered at zero."""
    lower = ZERO
    amount = ZERO
    uses: list[BandUse] = []
    for index, band in enumerate(model.bands):
        if index and quantity <= lower:
            break
        upper = quantity if band.up_to is None else min(quantity, band.up_to)
        units = CONTEXT.subtract(upper, lower)
        cost = CONTEXT.add(CONTEXT.multiply(units, band.unit_price), band.fixed_price)
        uses.append(BandUse(lower, band.up_to, units, band.unit_price, band.fixed_price, cost))
        amount = CONTEXT.add(amount, cost)
        if band.up_to is None:
            break
        lower = band.up_to
    return Priced(amount, tuple(uses))
