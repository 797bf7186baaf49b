"""A customer's account, the plans attached to it, and the subscriptions that pay for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from shared.domain.ids import AccountCode, PlanCode
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.period import Period
from shared.domain.rating.bill import PeriodRecord
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Account:
    """Who uses the product. ``time_zone`` is an IANA name; without one the organization's
    holds."""

    __pydantic_config__: ClassVar = WIRE

    code: AccountCode
    name: str = ""
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """A plan attached to an account for [start, end)."""

    __pydantic_config__: ClassVar = WIRE

    id: str
    plan: PlanCode
    start: datetime
    end: datetime | None = None

    def within(self, until: datetime) -> Period | None:
        """The part of the attachment before ``until``, or ``None`` when there is none."""
        end = until if self.end is None else min(self.end, until)
        return Period(self.start, end) if self.start < end else None


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """Everything kept in an account's partition: what rating needs besides usage and prices."""

    account: Account
    plans: tuple[AccountPlan, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    records: Mapping[str, PeriodRecord] = field(default_factory=dict)

    @property
    def subscription(self) -> Subscription | None:
        """The subscription that pays: the newest one, whatever its state."""
        return self.subscriptions[-1] if self.subscriptions else None
