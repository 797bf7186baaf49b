"""The Marketplace's JSON ↔ the domain's types: exact numbers, tolerant reading."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn

from shared.domain.ids import Resource, SubscriptionId, is_guid
from shared.domain.lifecycle.available_plan import AvailablePlan, BillingTerm, PlanDimension
from shared.domain.lifecycle.operation import Operation
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.metering.submission import Submission
from shared.domain.money import EXACT

MAX_DIGITS = 15
"""Significant digits that survive a double, which is what the metering API reads."""

MAX_EXPONENT = 15


class NotReadable(ValueError):
    """An answer lacks what it must have; its contents appear in no message."""


def parse_json(text: bytes | str) -> object:
    """JSON with every fraction as the exact decimal that was sent. Raises ``ValueError``."""
    value: object = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


# --- reading -------------------------------------------------------------------------------


def mapping(value: object) -> Mapping[str, object]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object, name: str) -> list[object]:
    """The array ``name`` of a JSON object. Raises ``NotReadable``."""
    found = mapping(value).get(name)
    if not isinstance(found, list):
        raise NotReadable(f"the answer has no {name}")
    return found


def text_of(value: object) -> str:
    """A text, empty when there is none."""
    return value if isinstance(value, str) else ""


def decimal_of(value: object) -> Decimal | None:
    """A JSON number as a decimal of usual size, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if not number or abs(number.adjusted()) <= MAX_EXPONENT else None


def whole_of(value: object) -> int | None:
    """A number of seats: a number, a text of digits, or nothing, as all have been seen."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None
    number = decimal_of(value)
    return int(number) if number is not None and number == number.to_integral_value() else None


def time_of(value: object) -> datetime | None:
    """A UTC instant, written with or without ``Z`` and with any fraction, or ``None``.

    The year 1 is what the Marketplace writes for a time that there is not.
    """
    try:
        moment = datetime.fromisoformat(text_of(value))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year > 1 else None


def subscription_of(value: object) -> MarketplaceSubscription:
    """A subscription as get, list and resolve show it. Raises ``NotReadable``.

    Source: pc-saas-fulfillment-subscription-api.
    """
    shape = mapping(value)
    status = text_of(shape.get("saasSubscriptionStatus"))
    plan = text_of(shape.get("planId"))
    if status not in set(SubscriptionStatus) or not plan:
        raise NotReadable("the subscription has no status or no plan")
    term = mapping(shape.get("term"))
    purchaser, beneficiary = mapping(shape.get("purchaser")), mapping(shape.get("beneficiary"))
    return MarketplaceSubscription(
        id=_subscription_id(shape.get("id")),
        name=text_of(shape.get("name")),
        offer=text_of(shape.get("offerId")),
        plan=plan,
        status=SubscriptionStatus(status),
        quantity=whole_of(shape.get("quantity")),
        term_start=time_of(term.get("startDate")),
        term_end=time_of(term.get("endDate")),
        term_unit=text_of(term.get("termUnit")),
        purchaser_email=text_of(purchaser.get("emailId")),
        purchaser_tenant=text_of(purchaser.get("tenantId")),
        beneficiary_email=text_of(beneficiary.get("emailId")),
        beneficiary_tenant=text_of(beneficiary.get("tenantId")),
        purchaser_id=text_of(purchaser.get("objectId")),
        beneficiary_id=text_of(beneficiary.get("objectId")),
        created=time_of(shape.get("created")),
    )


def operation_of(value: object, subscription: SubscriptionId) -> Operation:
    """An operation of ``subscription`` as the operations API shows it. Raises ``NotReadable``.

    Source: pc-saas-fulfillment-operations-api.
    """
    shape = mapping(value)
    identity, action = text_of(shape.get("id")), text_of(shape.get("action"))
    status = text_of(shape.get("status"))
    if not identity or not action or not status:
        raise NotReadable("the operation has no id, no action or no status")
    if text_of(shape.get("subscriptionId", subscription)).lower() != subscription:
        raise NotReadable("the operation is one of another subscription")
    return Operation(
        id=identity,
        subscription=subscription,
        action=action,
        status=status,
        plan=text_of(shape.get("planId")),
        quantity=whole_of(shape.get("quantity")),
        at=time_of(shape.get("timeStamp")),
        offer=text_of(shape.get("offerId")),
    )


def available_plan_of(value: object) -> AvailablePlan:
    """A plan of ``listAvailablePlans``. Raises ``NotReadable`` when it has no id."""
    shape = mapping(value)
    code = text_of(shape.get("planId"))
    if not code:
        raise NotReadable("the plan has no id")
    parts = mapping(shape.get("planComponents"))
    return AvailablePlan(
        id=code,
        name=text_of(shape.get("displayName")),
        private=shape.get("isPrivate") is True,
        free_trial=shape.get("hasFreeTrials") is True,
        per_seat=shape.get("isPricePerSeat") is True,
        dimensions=tuple(_dimension(each) for each in _list(parts.get("meteringDimensions"))),
        terms=tuple(_term(each) for each in _list(parts.get("recurrentBillingTerms"))),
        source_offers=tuple(
            text_of(mapping(each).get("externalId")) for each in _list(shape.get("sourceOffers"))
        ),
    )


def _subscription_id(value: object) -> SubscriptionId:
    identity = text_of(value).lower()
    if not is_guid(identity):
        raise NotReadable("the subscription's id is not a GUID")
    return SubscriptionId(identity)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _dimension(value: object) -> PlanDimension:
    shape = mapping(value)
    return PlanDimension(
        id=text_of(shape.get("id")),
        unit=text_of(shape.get("unitOfMeasure")),
        price=decimal_of(shape.get("pricePerUnit")),
        currency=text_of(shape.get("currency")),
    )


def _term(value: object) -> BillingTerm:
    shape = mapping(value)
    included: dict[str, Decimal] = {}
    for each in _list(shape.get("meteredQuantityIncluded")):
        dimension, units = mapping(each).get("dimensionId"), _units(mapping(each).get("units"))
        if isinstance(dimension, str) and units is not None:
            included[dimension] = units
    return BillingTerm(
        unit=text_of(shape.get("termUnit")),
        price=decimal_of(shape.get("price")),
        currency=text_of(shape.get("currency")),
        included=included,
    )


def _units(value: object) -> Decimal | None:
    """Included units are a number written as text."""
    try:
        return decimal_of(parse_json(value) if isinstance(value, str) else value)
    except ValueError:
        return None


# --- writing -------------------------------------------------------------------------------


def fault_of_quantity(quantity: Decimal) -> str | None:
    """Why a quantity cannot be reported exactly, or ``None`` when it can.

    The API reads a double above 0 (marketplace-metering-service-apis).
    """
    if not quantity.is_finite() or quantity <= 0:
        return "the quantity is not above 0"
    if abs(quantity.adjusted()) >= MAX_EXPONENT:
        return "the quantity is too large or too small"
    if len(quantity.normalize(EXACT).as_tuple().digits) > MAX_DIGITS:
        return f"the quantity has more than {MAX_DIGITS} digits"
    return None


def usage_json(submissions: list[Submission]) -> str:
    """The body of ``batchUsageEvent``; every quantity passed ``fault_of_quantity``.

    A decimal of at most 15 digits and its nearest double have the same shortest spelling, so
    the standard encoder writes exactly the digits that were rated.
    """
    return json.dumps({"request": [_usage(each) for each in submissions]})


def _usage(submission: Submission) -> dict[str, object]:
    start = submission.effective_start.astimezone(UTC).replace(tzinfo=None)
    return {
        **_resource(submission.key.resource),
        "quantity": float(submission.quantity),
        "dimension": submission.key.dimension,
        "effectiveStartTime": f"{start.isoformat()}Z",
        "planId": submission.plan,
    }


def _resource(resource: Resource) -> dict[str, object]:
    """SaaS is named by its GUID, managed applications and containers by their ARM id."""
    if is_guid(resource.lower()):
        return {"resourceId": str(resource)}
    return {"resourceUri": str(resource)}
