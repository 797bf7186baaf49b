"""STAIRSTEP pricing: the band reached gives one fixed price, whatever the units in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from shared.domain.errors import FieldError
from shared.domain.money import ZERO
from shared.domain.rating.charge import (
    FREE,
    BandUse,
    Priced,
    band_faults,
    price_faults,
    reached,
)
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Step:
    """The price of any quantity above the step before and up to ``up_to`` (inclusive)."""

    __pydantic_config__: ClassVar = WIRE

    fixed_price: Decimal
    up_to: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Stairstep:
    """Steps of which one applies (semantics, rules 2-3)."""

    __pydantic_config__: ClassVar = WIRE

    bands: tuple[Step, ...]
    model: Literal["STAIRSTEP"] = "STAIRSTEP"


def charge_stairstep(model: Stairstep, quantity: Decimal) -> Priced:
    """Price ``quantity`` (not negative). Nothing used reaches no step and costs nothing:
    only TIERED and VOLUME owe their first fixed price at zero (semantics, rule 4)."""
    if not quantity:
        return FREE
    step, lower = reached(model.bands, quantity)
    use = BandUse(lower, step.up_to, quantity, ZERO, step.fixed_price, step.fixed_price)
    return Priced(step.fixed_price, (use,))


def stairstep_faults(model: Stairstep) -> Iterator[FieldError]:
    """What is wrong with the model's parameters."""
    yield from band_faults(model.bands)
    for index, step in enumerate(model.bands):
        yield from price_faults(f"/bands/{index}/fixedPrice", step.fixed_price)
