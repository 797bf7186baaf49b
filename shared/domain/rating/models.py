"""The closed union of charge models, and the one place that tells them apart."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, assert_never

from shared.domain.errors import FieldError
from shared.domain.money import ZERO
from shared.domain.rating.charge import Priced
from shared.domain.rating.custom import Custom, CustomInput, charge_custom
from shared.domain.rating.package import Package, charge_package, package_faults
from shared.domain.rating.per_unit import PerUnit, charge_per_unit, per_unit_faults
from shared.domain.rating.percentage import (
    Percentage,
    PercentageInput,
    charge_percentage,
    percentage_faults,
)
from shared.domain.rating.stairstep import Stairstep, charge_stairstep, stairstep_faults
from shared.domain.rating.tiered import Tiered, charge_tiered, tiered_faults
from shared.domain.rating.volume import Volume, charge_volume, volume_faults
from shared.domain.wire import Tagged, tag_of

type QuantityModel = Annotated[
    PerUnit | Tiered | Volume | Stairstep | Package,
    Tagged("model", PerUnit, Tiered, Volume, Stairstep, Package),
]
"""Models that need nothing but a quantity."""

type ChargeModel = Annotated[
    PerUnit | Tiered | Volume | Stairstep | Package | Percentage | Custom,
    Tagged("model", PerUnit, Tiered, Volume, Stairstep, Package, Percentage, Custom),
]

CHARGE_TAGS = frozenset(
    tag_of(member, "model")
    for member in (PerUnit, Tiered, Volume, Stairstep, Package, Percentage, Custom)
)
"""The values of ``model``."""

type Usage = Decimal | PercentageInput | CustomInput
"""What is priced: a quantity, or the sums that PERCENTAGE and CUSTOM need."""


def charge(model: ChargeModel, usage: Usage) -> Priced:
    """The exact price of ``usage`` in the plan's currency, never negative.

    A quantity below zero, left by corrections, is priced as zero. Raises TypeError when the
    usage is not of the model's kind.
    """
    match model:
        case Percentage():
            return charge_percentage(model, _expect(PercentageInput, model, usage))
        case Custom():
            return charge_custom(_expect(CustomInput, model, usage))
        case _:
            return _charge_quantity(model, max(_expect(Decimal, model, usage), ZERO))


def _charge_quantity(model: QuantityModel, quantity: Decimal) -> Priced:
    match model:
        case PerUnit():
            return charge_per_unit(model, quantity)
        case Tiered():
            return charge_tiered(model, quantity)
        case Volume():
            return charge_volume(model, quantity)
        case Stairstep():
            return charge_stairstep(model, quantity)
        case Package():
            return charge_package(model, quantity)
        case _:
            assert_never(model)


def _expect[U: Usage](kind: type[U], model: ChargeModel, usage: Usage) -> U:
    if not isinstance(usage, kind):
        raise TypeError(f"{model.model} prices a {kind.__name__}, not a {type(usage).__name__}")
    return usage


def faults(model: ChargeModel) -> tuple[FieldError, ...]:
    """Everything wrong with a model's parameters; pointers are relative to the model."""
    return tuple(_faults(model))


def _faults(model: ChargeModel) -> Iterator[FieldError]:
    match model:
        case PerUnit():
            return per_unit_faults(model)
        case Tiered():
            return tiered_faults(model)
        case Volume():
            return volume_faults(model)
        case Stairstep():
            return stairstep_faults(model)
        case Package():
            return package_faults(model)
        case Percentage():
            return percentage_faults(model)
        case Custom():
            return iter(())
        case _:
            assert_never(model)
