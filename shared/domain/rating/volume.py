"""VOLUME pricing: the band reached prices the whole quantity."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from shared.domain.errors import FieldError
from shared.domain.money import ZERO
from shared.domain.rating.charge import PRICING, Band, BandUse, Priced, reached
from shared.domain.rating.tiered import priced_band_faults
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Volume:
    """Bands of which one applies, with its fixed price (semantics, rules 2-4).

    The amount may fall where a cheaper band begins; that is what volume pricing means.
    """

    __pydantic_config__: ClassVar = WIRE

    bands: tuple[Band, ...]
    model: Literal["VOLUME"] = "VOLUME"


def charge_volume(model: Volume, quantity: Decimal) -> Priced:
    """Price ``quantity`` (not negative). At zero the first band's fixed price is due.

    The band used is shown as pricing the units from zero, which it does.
    """
    band, _ = reached(model.bands, quantity)
    cost = PRICING.add(PRICING.multiply(quantity, band.unit_price), band.fixed_price)
    use = BandUse(ZERO, band.up_to, quantity, band.unit_price, band.fixed_price, cost)
    return Priced(cost, (use,))


def volume_faults(model: Volume) -> Iterator[FieldError]:
    """What is wrong with the model's parameters."""
    yield from priced_band_faults(model.bands)
