"""TIERED pricing: every band prices its own part of the quantity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import ClassVar, Literal

from shared.domain.errors import FieldError
from shared.domain.money import ZERO
from shared.domain.rating.charge import (
    PRICING,
    Band,
    BandUse,
    Priced,
    band_faults,
    entered,
    price_faults,
)
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Tiered:
    """Graduated bands; the fixed price of every band entered is due (semantics, rules 3-4)."""

    __pydantic_config__: ClassVar = WIRE

    bands: tuple[Band, ...]
    model: Literal["TIERED"] = "TIERED"


def charge_tiered(model: Tiered, quantity: Decimal) -> Priced:
    """Price ``quantity`` (not negative). The first band counts as entered at zero."""
    amount = ZERO
    uses: list[BandUse] = []
    with localcontext(PRICING):
        for band, lower, units in entered(model.bands, quantity):
            cost = units * band.unit_price + band.fixed_price
            amount += cost
            uses.append(BandUse(lower, band.up_to, units, band.unit_price, band.fixed_price, cost))
    return Priced(amount, tuple(uses))


def tiered_faults(model: Tiered) -> Iterator[FieldError]:
    """What is wrong with the model's parameters."""
    yield from priced_band_faults(model.bands)


def priced_band_faults(bands: Sequence[Band]) -> Iterator[FieldError]:
    """What is wrong with the bounds and the prices of ``bands``."""
    yield from band_faults(bands)
    for index, band in enumerate(bands):
        yield from price_faults(f"/bands/{index}/unitPrice", band.unit_price)
        yield from price_faults(f"/bands/{index}/fixedPrice", band.fixed_price)
