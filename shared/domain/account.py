"""A customer's account, the plans attached to it, and the subscriptions that pay for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import ClassVar

from shared.domain.catalog.custom import CustomFields
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import AccountCode, PlanCode, Shard, shard_of
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import to_text
from shared.domain.period import Period
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.locked import LockedBill
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Account:
    """Who uses the product. ``time_zone`` is an IANA name, ``currency`` ISO 4217; billing periods
    are counted from midnight of ``epoch``. What is left out is the organization's.

    A child is billed through its ``parent``'s subscription. The parent is set at creation, for
    good, and is no child itself (semantics, rule 30).
    """

    __pydantic_config__: ClassVar = WIRE

    code: AccountCode
    name: str = ""
    time_zone: str | None = None
    currency: str | None = None
    epoch: date | None = None
    parent: AccountCode | None = None
    custom: CustomFields = field(default_factory=dict)

    @property
    def root(self) -> AccountCode:
        """The account that is billed: the parent, else the account itself."""
        return self.parent or self.code

    @property
    def shard(self) -> Shard:
        """Where its usage is kept and billed: the same for a whole family, for ever."""
        return shard_of(self.root)


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
class FormerCustom:
    """Custom fields that an account had before ``until``, numbers spelled as text."""

    until: datetime
    custom: Mapping[str, str]

    @property
    def id(self) -> str:
        """No two hold until the same moment."""
        return self.until.astimezone(UTC).strftime("%Y%m%d%H%M")


@dataclass(frozen=True, slots=True)
class CustomHistory:
    """Custom fields of an account over time: what is calculated with them can be calculated again
    and comes out the same."""

    present: CustomFields
    former: tuple[FormerCustom, ...] = ()

    def at(self, moment: datetime) -> CustomFields:
        """The custom fields in force at ``moment``."""
        return next((old.custom for old in self.former if moment < old.until), self.present)

    def changed(self, custom: CustomFields, since: datetime) -> "CustomHistory":
        """The history with other fields from ``since`` on, which no earlier change comes after."""
        if custom == self.present or any(old.until >= since for old in self.former):
            return CustomHistory(custom, self.former)
        spelled = {
            name: to_text(value) if isinstance(value, Decimal) else value
            for name, value in self.present.items()
        }
        return CustomHistory(custom, (*self.former, FormerCustom(since, spelled)))


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """Everything kept in an account's partition: what rating needs besides usage and prices.

    ``children`` are the codes of its child accounts; one that was announced and never made may be
    among them. ``locked`` are the bills that are final, ``former`` the custom fields there were,
    oldest first.
    """

    account: Account
    plans: tuple[AccountPlan, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    records: Mapping[str, PeriodRecord] = field(default_factory=dict)
    prepayments: tuple[Prepayment, ...] = ()
    credits: tuple[Credit, ...] = ()
    charges: tuple[AdHocCharge, ...] = ()
    children: tuple[AccountCode, ...] = ()
    locked: tuple[LockedBill, ...] = ()
    former: tuple[FormerCustom, ...] = ()

    @property
    def subscription(self) -> Subscription | None:
        """The subscription that pays: the newest one, whatever its state."""
        return self.subscriptions[-1] if self.subscriptions else None

    @property
    def customs(self) -> CustomHistory:
        """The account's custom fields over time."""
        return CustomHistory(self.account.custom, self.former)

    @property
    def closed_until(self) -> datetime | None:
        """Until when periods of the account have ended and are billed; ``None`` while none is.

        Nothing that takes effect before it may be changed any more.
        """
        ends = [record.end for record in self.records.values()]
        ends += [bill.period.end for bill in self.locked]
        return max(ends, default=None)
