"""PER_UNIT pricing: every unit costs the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from shared.domain.errors import FieldError
from shared.domain.money import ZERO
from shared.domain.rating.charge import PRICING, BandUse, Priced, price_faults
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class PerUnit:
    """One price, in the plan's currency, for each unit."""

    __pydantic_config__: ClassVar = WIRE

    unit_price: Decimal
    model: Literal["PER_UNIT"] = "PER_UNIT"


def charge_per_unit(model: PerUnit, quantity: Decimal) -> Priced:
    """Price ``quantity`` (not negative)."""
    amount = PRICING.multiply(quantity, model.unit_price)
    return Priced(amount, (BandUse(ZERO, None, quantity, model.unit_price, ZERO, amount),))


def per_unit_faults(model: PerUnit) -> Iterator[FieldError]:
    """What is wrong with the model's parameters."""
    yield from price_faults("/unitPrice", model.unit_price)
