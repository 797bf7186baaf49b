"""The fulfillment API's JSON shapes, shared by its answers and the webhook's payloads."""

from collections.abc import Mapping
from datetime import date

from local.marketplace.catalog import Offer, Plan, Pricing
from local.marketplace.options import EmptyQuantity, Options
from local.marketplace.subscription import (
    Notification,
    Operation,
    Person,
    Quirk,
    Subscription,
    Term,
)
from local.marketplace.wire import stamp


def person(someone: Person) -> dict[str, object]:
    """A purchaser or beneficiary."""
    return {
        "emailId": someone.email_id,
        "objectId": someone.object_id,
        "tenantId": someone.tenant_id,
        "puid": someone.puid,
    }


def quantity(seats: int | None, options: Options) -> dict[str, object]:
    """The quantity field; flat-rate subscriptions have none, written in one of three ways."""
    if seats is not None:
        return {"quantity": seats}
    match options.empty_quantity:
        case EmptyQuantity.NULL:
            return {"quantity": None}
        case EmptyQuantity.TEXT:
            return {"quantity": ""}
        case EmptyQuantity.ABSENT:
            return {}


def _day(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def term(unit: str, running: Term | None, *, with_dates: bool) -> dict[str, object]:
    """A term; its dates exist from activation on and can be missing even then."""
    shape: dict[str, object] = {"termUnit": unit, "chargeDuration": None}
    if running is not None and with_dates:
        shape |= {"startDate": _day(running.start), "endDate": _day(running.last_day)}
    return shape


def subscription(
    item: Subscription, publisher_id: str, options: Options, *, with_dates: bool = True
) -> dict[str, object]:
    """A subscription as list, get, resolve and webhook show it."""
    dates = with_dates and not options.missing_term_dates
    return {
        "id": item.id,
        "name": item.name,
        "publisherId": publisher_id,
        "offerId": item.offer_id,
        "planId": item.plan_id,
        **quantity(item.quantity, options),
        "beneficiary": person(item.beneficiary),
        "purchaser": person(item.purchaser),
        "allowedCustomerOperations": list(item.allowed),
        "sessionMode": "None",
        "isFreeTrial": item.free_trial,
        "autoRenew": item.auto_renew,
        "isTest": False,
        "sandboxType": "None",
        "created": stamp(item.created),
        "lastModified": "0001-01-01T00:00:00",
        "saasSubscriptionStatus": item.status.value,
        "term": term(item.term_unit, item.term, with_dates=dates),
    }


def operation(item: Operation, options: Options) -> dict[str, object]:
    """An operation as the operations API shows it."""
    return {
        "id": item.id,
        "activityId": item.activity_id,
        "subscriptionId": item.subscription_id,
        "offerId": item.offer_id,
        "publisherId": item.publisher_id,
        "planId": item.plan_id,
        **quantity(item.quantity, options),
        "action": item.action,
        "timeStamp": stamp(item.created),
        "status": item.status.value,
        "errorStatusCode": "409" if item.error else "",
        "errorMessage": item.error,
    }


def plan(item: Plan, *, with_source: bool) -> dict[str, object]:
    """A plan as listAvailablePlans shows it; included units are text."""
    included = [
        {"dimensionId": dimension, "units": format(units, "f")}
        for dimension, units in item.included.items()
    ]
    shape: dict[str, object] = {
        "planId": item.id,
        "displayName": item.name,
        "isPrivate": item.is_private,
        "description": item.description,
        "hasFreeTrials": item.has_free_trials,
        "isPricePerSeat": item.pricing is Pricing.PER_USER,
        "isStopSell": item.is_stop_sell,
        "market": "US",
        "planComponents": {
            "recurrentBillingTerms": [
                {
                    "currency": item.currency,
                    "price": item.price,
                    "termUnit": item.term_unit,
                    "termDescription": item.name,
                    "meteredQuantityIncluded": included,
                }
            ],
            "meteringDimensions": [
                {
                    "id": dimension.id,
                    "currency": dimension.currency,
                    "pricePerUnit": dimension.price_per_unit,
                    "unitOfMeasure": dimension.unit_of_measure,
                    "displayName": dimension.display_name,
                }
                for dimension in item.dimensions
            ],
        },
    }
    if item.pricing is Pricing.PER_USER:
        shape |= {"minQuantity": item.min_quantity, "maxQuantity": item.max_quantity}
    if with_source:
        shape["sourceOffers"] = [{"externalId": source} for source in item.source_offers]
    return shape


def notification(
    item: Notification, offers: Mapping[str, Offer], options: Options
) -> dict[str, object]:
    """A webhook payload, with the oddities that were asked for."""
    told = item.operation
    shape: dict[str, object] = {
        "id": told.id,
        "activityId": told.activity_id,
        "publisherId": told.publisher_id,
        "offerId": told.offer_id,
        "planId": told.plan_id,
        **quantity(told.quantity, options),
        "subscriptionId": told.subscription_id,
        "timeStamp": stamp(told.created),
        "action": told.action,
        "status": told.status.value,
        "operationRequestSource": told.source,
    }
    if Quirk.BARE not in item.quirks:
        shape["subscription"] = subscription(
            item.subscription,
            offers[told.offer_id].publisher_id,
            options,
            with_dates=Quirk.MISSING_TERM not in item.quirks,
        )
        shape["purchaseToken"] = None
    if Quirk.EXTRA_FIELDS in item.quirks:
        shape["futureField"] = {"kind": "unannounced", "values": [1, "two", None]}
    return shape
