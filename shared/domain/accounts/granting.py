"""Giving prepayments and credits to accounts, and charging them once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, assert_never

from shared.domain.accounts.scene import NO_ZONE, Scene
from shared.domain.catalog.billing import QuantityBilling, dimension_ids
from shared.domain.catalog.charges import Due
from shared.domain.catalog.validation.references import unknown
from shared.domain.errors import FieldError
from shared.domain.grant_faults import (
    amount_faults,
    description_faults,
    priority_faults,
    surcharge_faults,
)
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import DimensionId, ProductCode
from shared.domain.wire import WIRE

MAX_GRANTS = 1000
"""Of each kind; every one is read whenever the account is rated."""


@dataclass(frozen=True, slots=True)
class PrepaymentOrder:
    """A prepayment to be given; from the present hour on when ``start`` is left out."""

    __pydantic_config__: ClassVar = WIRE

    amount: Decimal
    start: datetime | None = None
    end: datetime | None = None
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    overage_surcharge_percent: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class CreditOrder:
    """A credit to be given; from the present hour on when ``start`` is left out."""

    __pydantic_config__: ClassVar = WIRE

    amount: Decimal
    start: datetime | None = None
    end: datetime | None = None
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class ChargeOrder:
    """A single charge, due now when ``at`` is left out."""

    __pydantic_config__: ClassVar = WIRE

    due: Due
    at: datetime | None = None
    product: ProductCode | None = None
    description: str = ""


type Grant = Prepayment | Credit | AdHocCharge
type GrantOrder = PrepaymentOrder | CreditOrder | ChargeOrder


def made(order: GrantOrder, identity: str, scene: Scene) -> Grant:
    """What a faultless order asks for."""
    match order:
        case PrepaymentOrder():
            return _prepayment(order, identity, scene)
        case CreditOrder():
            return _credit(order, identity, scene)
        case ChargeOrder():
            at = _utc(order.at) or scene.now
            return AdHocCharge(identity, at, order.due, order.product, order.description)
        case _:
            assert_never(order)


def _prepayment(order: PrepaymentOrder, identity: str, scene: Scene) -> Prepayment:
    return Prepayment(
        id=identity,
        amount=order.amount,
        start=_utc(order.start) or scene.present_cell(),
        end=_utc(order.end),
        granted=scene.now,
        priority=order.priority,
        products=order.products,
        overage_surcharge_percent=order.overage_surcharge_percent,
        description=order.description,
    )


def _credit(order: CreditOrder, identity: str, scene: Scene) -> Credit:
    return Credit(
        id=identity,
        amount=order.amount,
        start=_utc(order.start) or scene.present_cell(),
        end=_utc(order.end),
        granted=scene.now,
        priority=order.priority,
        products=order.products,
        description=order.description,
    )


def begin(grant: Grant) -> datetime:
    """From when on it counts."""
    return grant.at if isinstance(grant, AdHocCharge) else grant.start


def order_faults(order: GrantOrder, scene: Scene) -> Iterator[FieldError]:
    """What is wrong with an order by itself."""
    yield from description_faults("/description", order.description)
    match order:
        case ChargeOrder():
            yield from _charge_faults(order, scene)
        case PrepaymentOrder():
            pointer = "/overageSurchargePercent"
            yield from surcharge_faults(pointer, order.overage_surcharge_percent)
            yield from _money_faults(order, scene)
        case CreditOrder():
            yield from _money_faults(order, scene)
        case _:
            assert_never(order)


def new_faults(order: GrantOrder, scene: Scene) -> Iterator[FieldError]:
    """What is wrong with a new grant or charge."""
    faults = list(order_faults(order, scene))
    yield from faults
    if not faults:
        pointer = "/at" if isinstance(order, ChargeOrder) else "/start"
        yield from scene.closed_faults(pointer, begin(made(order, "", scene)))


def replacing_faults(order: GrantOrder, old: Grant, scene: Scene) -> Iterator[FieldError]:
    """What is wrong with putting what ``order`` asks for in the place of ``old``.

    What may have paid for a billed period keeps all but its end and its description.
    """
    faults = list(order_faults(_begun(order, old), scene))
    yield from faults
    if faults:
        return
    new = replacing(order, old, scene)
    if not _counted(old, scene):
        pointer = "/at" if isinstance(order, ChargeOrder) else "/start"
        yield from scene.closed_faults(pointer, begin(new))
        return
    if isinstance(old, AdHocCharge) or isinstance(new, AdHocCharge):
        same = replace(new, description=old.description) == old
    else:
        same = replace(new, description=old.description, end=old.end) == old
        if new.end != old.end:
            ends = [end for end in (new.end, old.end) if end is not None]
            yield from scene.closed_faults("/end", min(ends))
    if not same:
        yield FieldError("", _was_counted(old, scene))


def replacing(order: GrantOrder, old: Grant, scene: Scene) -> Grant:
    """What stands in the place of ``old``: granted when that was, and beginning then if the order
    leaves it open."""
    new = made(_begun(order, old), old.id, scene)
    if isinstance(new, AdHocCharge) or isinstance(old, AdHocCharge):
        return new
    return replace(new, granted=old.granted)


def _begun(order: GrantOrder, old: Grant) -> GrantOrder:
    match order, old:
        case (PrepaymentOrder(), Prepayment(start=start)):
            return replace(order, start=order.start or start)
        case (CreditOrder(), Credit(start=start)):
            return replace(order, start=order.start or start)
        case (ChargeOrder(), AdHocCharge(at=at)):
            return replace(order, at=order.at or at)
        case _:
            raise ValueError(f"{old.id} is of another kind")


def removal_faults(old: Grant, scene: Scene) -> Iterator[FieldError]:
    """Why something cannot be taken away any more."""
    if _counted(old, scene):
        yield FieldError("", _was_counted(old, scene))


def _counted(grant: Grant, scene: Scene) -> bool:
    closed = scene.closed_until
    return closed is not None and begin(grant) < closed


def _was_counted(grant: Grant, scene: Scene) -> str:
    closed = scene.closed_until or scene.now
    rest = (
        "add another charge to correct it"
        if isinstance(grant, AdHocCharge)
        else "only its end and description can change; give another one beside it"
    )
    return f"counted for billing periods that ended by {closed.isoformat()}: {rest}"


def _money_faults(order: PrepaymentOrder | CreditOrder, scene: Scene) -> Iterator[FieldError]:
    yield from amount_faults("/amount", order.amount)
    yield from scene.span_faults(order.start, order.end)
    yield from priority_faults("/priority", order.priority)
    for index, product in enumerate(order.products):
        yield from _product_faults(f"/products/{index}", product, scene)
        if product in order.products[:index]:
            yield FieldError(f"/products/{index}", f"{product} is there twice")


def _charge_faults(order: ChargeOrder, scene: Scene) -> Iterator[FieldError]:
    if order.at is not None and order.at.tzinfo is None:
        yield FieldError("/at", NO_ZONE)
    if order.product is not None:
        yield from _product_faults("/product", order.product, scene)
    due = order.due
    if due.amount is not None:
        yield from amount_faults("/due/amount", due.amount)
        if due.dimension is not None or due.quantity is not None:
            yield FieldError(
                "/due", "asks for an amount, or for a quantity of a dimension; not both"
            )
    elif due.dimension is None or due.quantity is None:
        yield FieldError("/due", "must have an amount, or a dimension and a quantity")
    else:
        yield from amount_faults("/due/quantity", due.quantity)
        known = _dimensions(scene)
        if due.dimension not in known:
            message = unknown("dimension", due.dimension, known)
            yield FieldError("/due/dimension", f"{message} in the account's plans")


def _product_faults(pointer: str, product: ProductCode, scene: Scene) -> Iterator[FieldError]:
    known = scene.products
    if product not in known:
        yield FieldError(pointer, unknown("product", product, known))


def _dimensions(scene: Scene) -> set[DimensionId]:
    plans = (scene.plan(attached.plan) for attached in scene.record.plans)
    billings = [plan.billing for plan in plans if plan is not None]
    return {
        one
        for billing in billings
        if isinstance(billing, QuantityBilling)
        for one in dimension_ids(billing)
    }


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
