"""What happens around a price: discounts, included units, overage, maximum and minimum."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import ClassVar, assert_never

from shared.domain.errors import FieldError
from shared.domain.money import ZERO, to_text
from shared.domain.rating.charge import (
    HUNDREDTH,
    PRICING,
    Priced,
    fault_of_price,
    order_faults,
    price_faults,
)
from shared.domain.rating.custom import Custom, CustomInput
from shared.domain.rating.models import (
    ChargeModel,
    QuantityModel,
    Usage,
    charge,
)
from shared.domain.rating.models import faults as model_faults
from shared.domain.rating.percentage import Percentage, PercentageInput
from shared.domain.wire import WIRE

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Overage:
    """Another model for the units beyond ``beyond``; its own bands begin at zero there.

    ``beyond`` counts the units that are left to price. The percentage is added to the overage
    price, or taken off it when negative (semantics, rule 13).
    """

    __pydantic_config__: ClassVar = WIRE

    beyond: Decimal
    charge: QuantityModel
    surcharge_percent: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class LineTerms:
    """What applies to one line besides its charge model.

    ``usage_discount`` and ``included`` are in units (of PERCENTAGE: in the measured value);
    ``maximum`` and ``minimum`` are amounts in the plan's currency for the period being priced,
    so a shortened period needs a ``minimum`` that is already prorated (rule 14a).
    """

    __pydantic_config__: ClassVar = WIRE

    usage_discount: Decimal = ZERO
    included: Decimal = ZERO
    overage: Overage | None = None
    percent_discount: Decimal = ZERO
    maximum: Decimal | None = None
    minimum: Decimal | None = None


NO_TERMS = LineTerms()


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line's way from the measured quantity to its exact amount, every step's result kept.

    ``quantity`` → ``after_usage_discount`` → ``billable`` (beyond what is included) → ``base``
    and ``overage`` → ``surcharge`` (already in ``gross``) → ``gross`` → ``after_discount`` →
    ``after_maximum``; ``top_up`` is shown apart. Bands are those of ``base`` and ``overage``.
    """

    quantity: Decimal
    after_usage_discount: Decimal
    billable: Decimal
    base: Priced
    overage: Priced | None
    surcharge: Decimal
    gross: Decimal
    after_discount: Decimal
    after_maximum: Decimal
    top_up: Decimal

    @property
    def amount(self) -> Decimal:
        """What is due for the line, top-up included, before rounding."""
        return PRICING.add(self.after_maximum, self.top_up)


def surcharge_on(amount: Decimal, percent: Decimal) -> Decimal:
    """What an overage surcharge of ``percent`` (may be negative) adds to ``amount``; exact."""
    return PRICING.multiply(PRICING.multiply(amount, percent), HUNDREDTH)


def price_line(
    model: ChargeModel, usage: Usage, terms: LineTerms = NO_TERMS, *, closing: bool = True
) -> PricedLine:
    """Price converted and rounded ``usage`` in the order of charges of a bill.

    While a period is open (``closing`` false) there is no top-up, so that the running total
    never falls (semantics, rule 10). Raises what ``charge`` raises.
    """
    with localcontext(PRICING):
        quantity = _units(usage)
        discounted, billable = quantity, quantity
        if not isinstance(model, Custom):
            discounted = max(quantity - terms.usage_discount, ZERO)
            billable = max(discounted - terms.included, ZERO)
        base, overage, surcharge = _price(model, usage, billable, terms.overage)
        gross = base.amount + (overage.amount if overage else ZERO) + surcharge
        reduced = gross * (HUNDRED - terms.percent_discount) * HUNDREDTH
        capped = reduced if terms.maximum is None else min(reduced, terms.maximum)
        top_up = ZERO
        if closing and terms.minimum is not None:
            top_up = max(terms.minimum - capped, ZERO)
    return PricedLine(
        quantity=quantity,
        after_usage_discount=discounted,
        billable=billable,
        base=base,
        overage=overage,
        surcharge=surcharge,
        gross=gross,
        after_discount=reduced,
        after_maximum=capped,
        top_up=top_up,
    )


def _units(usage: Usage) -> Decimal:
    match usage:
        case Decimal():
            return usage
        case PercentageInput():
            return usage.amount
        case CustomInput():
            return usage.quantity
        case _:
            assert_never(usage)


def _price(
    model: ChargeModel, usage: Usage, billable: Decimal, overage: Overage | None
) -> tuple[Priced, Priced | None, Decimal]:
    """The price up to the overage, the price beyond it if reached, and the surcharge on that."""
    match usage:
        case CustomInput():
            return charge(model, usage), None, ZERO
        case PercentageInput():
            return charge(model, replace(usage, amount=billable)), None, ZERO
        case Decimal():
            if overage is None or billable <= overage.beyond:
                return charge(model, billable), None, ZERO
            extra = charge(overage.charge, billable - overage.beyond)
            surcharge = surcharge_on(extra.amount, overage.surcharge_percent)
            return charge(model, overage.beyond), extra, surcharge
        case _:
            assert_never(usage)


def terms_faults(terms: LineTerms, model: ChargeModel) -> tuple[FieldError, ...]:
    """Everything wrong with the terms of a line priced by ``model``; pointers are relative."""
    return tuple(_terms_faults(terms, model))


def _terms_faults(terms: LineTerms, model: ChargeModel) -> Iterator[FieldError]:
    yield from price_faults("/usageDiscount", terms.usage_discount)
    yield from price_faults("/included", terms.included)
    if (message := _fault_of_discount(terms.percent_discount)) is not None:
        yield FieldError("/percentDiscount", message)
    yield from price_faults("/maximum", terms.maximum)
    yield from price_faults("/minimum", terms.minimum)
    yield from order_faults("/minimum", terms.minimum, terms.maximum)
    yield from _unit_faults(terms, model)
    if terms.overage is not None:
        yield from _overage_faults(terms.overage, model)


def _unit_faults(terms: LineTerms, model: ChargeModel) -> Iterator[FieldError]:
    """Units cannot come off where the price does not follow from a quantity."""
    if isinstance(model, Custom) or (isinstance(model, Percentage) and model.bounded):
        why = f"{model.model} prices each event by itself, so units cannot come off; leave it out"
        if terms.usage_discount:
            yield FieldError("/usageDiscount", why)
        if terms.included:
            yield FieldError("/included", why)


def _overage_faults(overage: Overage, model: ChargeModel) -> Iterator[FieldError]:
    if isinstance(model, Percentage | Custom):
        message = f"{model.model} has no quantity that could be exceeded; leave overage out"
        yield FieldError("/overage", message)
    yield from price_faults("/overage/beyond", overage.beyond)
    if (fault := _fault_of_surcharge(overage.surcharge_percent)) is not None:
        yield FieldError("/overage/surchargePercent", fault)
    for inner in model_faults(overage.charge):
        yield FieldError(f"/overage/charge{inner.pointer}", inner.message)


def _fault_of_discount(percent: Decimal) -> str | None:
    message = fault_of_price(percent)
    if message is None and percent > HUNDRED:
        return f"{to_text(percent)} is above 100 percent; give 0 to 100"
    return message


def _fault_of_surcharge(percent: Decimal) -> str | None:
    if percent.is_finite() and percent < -HUNDRED:
        return f"{to_text(percent)} would make the overage price negative; give -100 or more"
    return fault_of_price(abs(percent))
