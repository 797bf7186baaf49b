"""A purchase's data: subscription, term, people, operation, notification."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from local.marketplace.catalog import WIRE, add_months, term_months


class Status(StrEnum):
    """``saasSubscriptionStatus``."""

    PENDING = "PendingFulfillmentStart"
    SUBSCRIBED = "Subscribed"
    SUSPENDED = "Suspended"
    UNSUBSCRIBED = "Unsubscribed"


class Action(StrEnum):
    """The documented webhook actions."""

    CHANGE_PLAN = "ChangePlan"
    CHANGE_QUANTITY = "ChangeQuantity"
    RENEW = "Renew"
    SUSPEND = "Suspend"
    UNSUBSCRIBE = "Unsubscribe"
    REINSTATE = "Reinstate"


class Progress(StrEnum):
    """``status`` of an operation."""

    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"
    CONFLICT = "Conflict"


class Quirk(StrEnum):
    """Deviations from the documentation that publishers have observed, on request."""

    COMPOSITE_ID = "compositeId"
    REINSTATE_SUCCEEDED = "reinstateSucceeded"
    MISSING_TERM = "missingTerm"
    BARE = "bare"
    EXTRA_FIELDS = "extraFields"


@dataclass(frozen=True, slots=True)
class Person:
    """A purchaser or beneficiary."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    email_id: str
    object_id: str
    tenant_id: str
    puid: str = "1003BFFD00000000"


@dataclass(frozen=True, slots=True)
class Term:
    """A billing term, counted from the day of activation so that month ends do not drift."""

    anchor: date
    unit: str
    ordinal: int = 0

    @property
    def start(self) -> date:
        """First day."""
        return add_months(self.anchor, self.ordinal * term_months(self.unit))

    @property
    def last_day(self) -> date:
        """The last day the term is valid; renewal happens the next day."""
        return self.following.start - timedelta(days=1)

    @property
    def renewal(self) -> datetime:
        """When the next term begins."""
        return datetime.combine(self.following.start, time(), UTC)

    @property
    def following(self) -> "Term":
        """The next term."""
        return Term(self.anchor, self.unit, self.ordinal + 1)


@dataclass(frozen=True, slots=True)
class PlanPeriod:
    """From when a plan was in force."""

    since: datetime
    plan_id: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """One purchase and where it stands.

    ``resource_uri`` marks a managed application. ``foreign`` belongs to another publisher.
    ``metering_opens`` delays the metering API's authorisation for a freshly bought plan.
    """

    id: str
    name: str
    offer_id: str
    plan_id: str
    status: Status
    created: datetime
    beneficiary: Person
    purchaser: Person
    azure_subscription_id: str
    term_unit: str
    quantity: int | None = None
    auto_renew: bool = True
    free_trial: bool = False
    allowed: tuple[str, ...] = ("Delete", "Update", "Read")
    resource_uri: str | None = None
    foreign: bool = False
    metering_opens: datetime | None = None
    term: Term | None = None
    activated: datetime | None = None
    suspended: datetime | None = None
    ended: datetime | None = None
    plans: tuple[PlanPeriod, ...] = ()

    def plans_of_hour(self, start: datetime) -> set[str]:
        """The plans in force at any moment of the hour beginning at ``start``."""
        end = start + timedelta(hours=1)
        ends = [period.since for period in self.plans[1:]] + [datetime.max.replace(tzinfo=UTC)]
        return {
            period.plan_id
            for period, until in zip(self.plans, ends, strict=True)
            if period.since < end and until > start
        }


@dataclass(frozen=True, slots=True)
class Operation:
    """A change of a subscription; ``completes`` is when it succeeds without an answer."""

    id: str
    activity_id: str
    subscription_id: str
    offer_id: str
    publisher_id: str
    action: str
    plan_id: str
    quantity: int | None
    status: Progress
    created: datetime
    source: str
    sequence: int
    completes: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """What the webhook has to tell, with the subscription as it was at that moment."""

    operation: Operation
    subscription: Subscription
    quirks: frozenset[Quirk] = frozenset()
