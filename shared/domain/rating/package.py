"""PACKAGE pricing: units are bought in blocks, and a started block is charged whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import ClassVar, Literal

from shared.domain.errors import FieldError
from shared.domain.money import ONE, ZERO
from shared.domain.rating.charge import (
    PRICING,
    BandUse,
    Priced,
    band_faults,
    entered,
    fault_of_price,
    price_faults,
    reached,
)
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Block:
    """Blocks of ``size`` units at ``price`` each, for the units up to ``up_to`` (inclusive)."""

    __pydantic_config__: ClassVar = WIRE

    size: Decimal
    price: Decimal
    up_to: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """Blocks, of one size and price or per band (semantics, rule 3).

    ``free_units`` come off first, so bands count from the first unit beyond them. ``banding``
    TIERED: each band packages its own part and rounds up by itself; VOLUME: the band reached
    packages the whole quantity.
    """

    __pydantic_config__: ClassVar = WIRE

    bands: tuple[Block, ...]
    free_units: Decimal = ZERO
    banding: Literal["TIERED", "VOLUME"] = "TIERED"
    model: Literal["PACKAGE"] = "PACKAGE"


def charge_package(model: Package, quantity: Decimal) -> Priced:
    """Price ``quantity`` (not negative)."""
    with localcontext(PRICING):
        units = max(quantity - model.free_units, ZERO)
        match model.banding:
            case "TIERED":
                uses = tuple(
                    _use(block, lower, part) for block, lower, part in entered(model.bands, units)
                )
            case "VOLUME":
                uses = (_use(reached(model.bands, units)[0], ZERO, units),)
        return Priced(sum((use.amount for use in uses), ZERO), uses)


def _use(block: Block, lower: Decimal, units: Decimal) -> BandUse:
    blocks, started = divmod(units, block.size)
    if started:
        blocks += ONE
    cost = blocks * block.price
    return BandUse(lower, block.up_to, units, block.price, ZERO, cost, blocks)


def package_faults(model: Package) -> Iterator[FieldError]:
    """What is wrong with the model's parameters."""
    yield from band_faults(model.bands)
    for index, block in enumerate(model.bands):
        pointer = f"/bands/{index}/size"
        if message := fault_of_price(block.size):
            yield FieldError(pointer, message)
        elif not block.size:
            yield FieldError(pointer, "is 0, which holds nothing; give the units of one block")
        yield from price_faults(f"/bands/{index}/price", block.price)
    yield from price_faults("/freeUnits", model.free_units)
