"""PERCENTAGE pricing: a share of a measured value, with fees by the event."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import ClassVar, Literal

from shared.domain.errors import FieldError
from shared.domain.money import ZERO
from shared.domain.rating.charge import (
    HUNDREDTH,
    PRICING,
    BandUse,
    Priced,
    band_faults,
    entered,
    order_faults,
    price_faults,
)
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Share:
    """``percent`` of the part of a value up to ``up_to`` (inclusive), and a fixed price."""

    __pydantic_config__: ClassVar = WIRE

    percent: Decimal
    up_to: Decimal | None = None
    fixed_price: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Percentage:
    """Graduated shares of a measured value (semantics, rule 3).

    ``free_amount`` of the value comes off before the bands, ``free_events`` are spared
    ``fixed_per_event``. With ``minimum_per_event`` or ``maximum_per_event`` the price of a period
    does not follow from sums: then each event's fee is a derived field made at ingestion
    (``per_event_fee``), and rating gets the sum of that field.
    """

    __pydantic_config__: ClassVar = WIRE

    bands: tuple[Share, ...]
    fixed_per_event: Decimal = ZERO
    minimum_per_event: Decimal | None = None
    maximum_per_event: Decimal | None = None
    free_events: int = 0
    free_amount: Decimal = ZERO
    model: Literal["PERCENTAGE"] = "PERCENTAGE"

    @property
    def bounded(self) -> bool:
        """Whether each event's fee has bounds, so that rating needs the sum of the fees."""
        return self.minimum_per_event is not None or self.maximum_per_event is not None


@dataclass(frozen=True, slots=True)
class PercentageInput:
    """Sums over a period: of the measured value, of events, and of ``per_event_fee`` over them.

    ``fees`` is needed when the model is ``bounded`` and not looked at otherwise.
    """

    amount: Decimal
    events: int = 0
    fees: Decimal | None = None


def per_event_fee(model: Percentage, value: Decimal) -> Decimal:
    """The exact fee of one event measuring ``value``, for a model with one band.

    The share and the fixed fee together are held within the bounds; never negative.
    """
    with localcontext(PRICING):
        fee = max(value * model.bands[0].percent * HUNDREDTH + model.fixed_per_event, ZERO)
    if model.minimum_per_event is not None:
        fee = max(fee, model.minimum_per_event)
    if model.maximum_per_event is not None:
        fee = min(fee, model.maximum_per_event)
    return fee


def charge_percentage(model: Percentage, usage: PercentageInput) -> Priced:
    """Price a period's sums. ``BandUse.unit_price`` is the share as a fraction.

    Without events and value nothing is due; only TIERED and VOLUME owe their first fixed price
    at zero (semantics, rule 4). Raises ValueError when the model is bounded and ``usage`` has no
    fees.
    """
    with localcontext(PRICING):
        if model.bounded:
            return _charge_fees(model, usage)
        value = max(usage.amount - model.free_amount, ZERO)
        uses = tuple(_use(*part) for part in entered(model.bands, value)) if value else ()
        fixed = max(usage.events - model.free_events, 0) * model.fixed_per_event
        return Priced(sum((use.amount for use in uses), fixed), uses)


def _use(share: Share, lower: Decimal, units: Decimal) -> BandUse:
    fraction = share.percent * HUNDREDTH
    cost = units * fraction + share.fixed_price
    return BandUse(lower, share.up_to, units, fraction, share.fixed_price, cost)


def _charge_fees(model: Percentage, usage: PercentageInput) -> Priced:
    if usage.fees is None:
        raise ValueError("a percentage with bounds per event needs the sum of the events' fees")
    if not usage.events:
        return Priced(ZERO)
    fixed = model.bands[0].fixed_price
    return Priced(max(usage.fees, ZERO) + fixed)


def percentage_faults(model: Percentage) -> Iterator[FieldError]:
    """What is wrong with the model's parameters."""
    yield from band_faults(model.bands)
    for index, share in enumerate(model.bands):
        yield from price_faults(f"/bands/{index}/percent", share.percent)
        yield from price_faults(f"/bands/{index}/fixedPrice", share.fixed_price)
    yield from price_faults("/fixedPerEvent", model.fixed_per_event)
    yield from price_faults("/minimumPerEvent", model.minimum_per_event)
    yield from price_faults("/maximumPerEvent", model.maximum_per_event)
    yield from price_faults("/freeAmount", model.free_amount)
    if model.free_events < 0:
        yield FieldError("/freeEvents", f"{model.free_events} is negative; give 0 or more")
    if model.bounded:
        yield from _bounded_faults(model)


def _bounded_faults(model: Percentage) -> Iterator[FieldError]:
    yield from order_faults("/minimumPerEvent", model.minimum_per_event, model.maximum_per_event)
    why = "cannot be worked out together with a minimum or maximum per event; "
    if len(model.bands) > 1:
        yield FieldError("/bands", f"{why}give one band without upTo")
    if model.free_events:
        yield FieldError("/freeEvents", f"{why}leave it out")
    if model.free_amount:
        yield FieldError("/freeAmount", f"{why}leave it out")
