"""The rules of usage events: what one says, what becomes of it, what has been accepted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from local.marketplace.options import OldAccepted, Options
from local.marketplace.register import Ids
from local.marketplace.state import Marketplace
from local.marketplace.subscription import Status, Subscription
from local.marketplace.wire import Malformed, parse_time

WINDOW: Final = timedelta(hours=24)
_HOUR: Final = timedelta(hours=1)
_MAX_MAGNITUDE: Final = 28


class Verdict(StrEnum):
    """Why a usage event was not accepted (batch item statuses)."""

    EXPIRED = "Expired"
    NOT_FOUND = "ResourceNotFound"
    NOT_AUTHORIZED = "ResourceNotAuthorized"
    NOT_ACTIVE = "ResourceNotActive"
    INVALID_DIMENSION = "InvalidDimension"
    INVALID_QUANTITY = "InvalidQuantity"
    BAD_ARGUMENT = "BadArgument"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one field, in the words of an answer's ``details``."""

    target: str
    message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """A well-formed usage event; exactly one of the two resource fields is set."""

    resource_id: str | None
    resource_uri: str | None
    dimension: str
    plan_id: str
    quantity: Decimal
    time: datetime
    time_text: str

    @property
    def hour(self) -> datetime:
        """The UTC clock hour it falls into."""
        return self.time.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An accepted event, as Microsoft holds it for good."""

    id: str
    usage: Usage
    subscription_id: str
    received: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The event was recorded."""

    record: Recorded


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The hour is taken by ``record``."""

    record: Recorded


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event was not recorded."""

    verdict: Verdict
    problems: tuple[Problem, ...]


type Outcome = Accepted | Duplicate | Rejected


def _text(item: Mapping[str, object], field: str) -> str | None:
    value = item.get(field)
    return value if isinstance(value, str) and value.strip() else None


def _quantity(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if abs(number.adjusted()) <= _MAX_MAGNITUDE else None


def _time(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text is not None and "T" in text else None
    except Malformed:
        return None


def parse_usage(item: object) -> Usage | Rejected:
    """Read one event; all its faults at once."""
    if not isinstance(item, dict):
        return _bad(Problem("usageEventRequest", "The usage event is not an object."))
    resource_id, uri = _text(item, "resourceId"), _text(item, "resourceUri")
    dimension, plan_id = _text(item, "dimension"), _text(item, "planId")
    quantity, time_text = _quantity(item.get("quantity")), _text(item, "effectiveStartTime")
    time = _time(time_text)
    problems = []
    if resource_id is None and uri is None:
        problems.append(Problem("ResourceId", "The resourceId is required."))
    if resource_id is not None and uri is not None:
        problems.append(Problem("ResourceId", "Send resourceId or resourceUri, not both."))
    if dimension is None:
        problems.append(Problem("Dimension", "The dimension is required."))
    if plan_id is None:
        problems.append(Problem("PlanId", "The planId is required."))
    if quantity is None:
        problems.append(Problem("Quantity", "The quantity is not a usable number."))
    if time is None:
        problems.append(Problem("EffectiveStartTime", "The effectiveStartTime is not a time."))
    if problems or not dimension or not plan_id or quantity is None or not time:
        return _bad(*problems)
    return Usage(resource_id, uri, dimension, plan_id, quantity, time, time_text or "")


def _bad(*problems: Problem) -> Rejected:
    return Rejected(Verdict.BAD_ARGUMENT, problems)


class UsageBook:
    """All accepted usage; one event a resource, dimension and UTC hour, the first wins.

    Source: learn.microsoft.com/partner-center/marketplace-offers/marketplace-metering-service-apis.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._slots: dict[tuple[str, str, datetime], Recorded] = {}

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._slots.values())

    def submit(self, item: object, market: Marketplace, options: Options, now: datetime) -> Outcome:
        """Judge one event and record it when it is acceptable."""
        usage = parse_usage(item)
        if isinstance(usage, Rejected):
            return usage
        found = _resource(usage, market)
        if found is None:
            return _reject(Verdict.NOT_FOUND, "ResourceId", "The resource does not exist.")
        taken = self._slots.get((found.id, usage.dimension, usage.hour))
        refusal = _refusal(usage, found, market, options, now)
        if refusal is None:
            if taken is not None:
                return Duplicate(taken)
            record = Recorded(self._ids.guid(), usage, found.id, now)
            self._slots[found.id, usage.dimension, usage.hour] = record
            return Accepted(record)
        hidden = refusal.verdict is Verdict.EXPIRED and usage.time <= now
        if taken is not None and hidden and options.old_accepted is OldAccepted.DUPLICATE:
            return Duplicate(taken)
        return refusal

    def totals(self) -> dict[tuple[str, str], tuple[Decimal, int]]:
        """Accepted quantity and number of events by subscription and dimension."""
        sums: dict[tuple[str, str], tuple[Decimal, int]] = {}
        for record in self:
            key = (record.subscription_id, record.usage.dimension)
            quantity, count = sums.get(key, (Decimal(0), 0))
            sums[key] = (quantity + record.usage.quantity, count + 1)
        return sums


def _resource(usage: Usage, market: Marketplace) -> Subscription | None:
    if usage.resource_uri is not None:
        return market.by_uri(usage.resource_uri)
    return market.subscriptions.get((usage.resource_id or "").lower())


def _reject(verdict: Verdict, target: str, message: str) -> Rejected:
    return Rejected(verdict, (Problem(target, message),))


def _refusal(
    usage: Usage, found: Subscription, market: Marketplace, options: Options, now: datetime
) -> Rejected | None:
    """Why an event cannot be accepted, apart from its hour being taken."""
    if found.foreign or (found.metering_opens is not None and now < found.metering_opens):
        message = "The resource is not authorized for this application."
        return _reject(Verdict.NOT_AUTHORIZED, "ResourceId", message)
    if usage.quantity <= 0:
        message = "The quantity must be greater than 0."
        return _reject(Verdict.INVALID_QUANTITY, "Quantity", message)
    plan = market.plan(found.offer_id, usage.plan_id)
    if plan is None:
        return _bad(Problem("PlanId", "The offer has no such plan."))
    if not plan.has_dimension(usage.dimension):
        message = "The plan has no such dimension."
        return _reject(Verdict.INVALID_DIMENSION, "Dimension", message)
    if options.plan_in_force and usage.plan_id not in found.plans_of_hour(usage.hour):
        return _bad(Problem("PlanId", "The plan was not in force in that hour."))
    if not now - WINDOW <= usage.time <= now:
        message = "The effectiveStartTime is not within the past 24 hours."
        return _reject(Verdict.EXPIRED, "EffectiveStartTime", message)
    if not _active(usage, found, options):
        message = "The resource is not active."
        return _reject(Verdict.NOT_ACTIVE, "ResourceId", message)
    return None


def _active(usage: Usage, found: Subscription, options: Options) -> bool:
    """Subscribed, or cancelled after the usage happened; not before the subscription began."""
    if found.activated is None:
        return False
    if not options.usage_before_activation and usage.hour + _HOUR <= found.activated:
        return False
    if found.status is Status.UNSUBSCRIBED:
        return found.ended is not None and usage.time < found.ended
    return found.status is Status.SUBSCRIBED
