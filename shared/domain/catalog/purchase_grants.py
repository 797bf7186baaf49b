"""What comes with the purchase of a plan: credits and prepayments, given once a subscription."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from shared.domain.grants import Credit, Prepayment
from shared.domain.ids import ProductCode, SubscriptionId
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class PurchaseCredit:
    """A credit of ``amount`` for ``days`` days from the purchase, or until it is used up."""

    __pydantic_config__: ClassVar = WIRE

    code: str
    amount: Decimal
    days: int | None = None
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class PurchasePrepayment:
    """A prepayment of ``amount`` for ``days`` days from the purchase, or until it is used up."""

    __pydantic_config__: ClassVar = WIRE

    code: str
    amount: Decimal
    days: int | None = None
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    overage_surcharge_percent: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """Who is given something, and when: it counts from the cell that begins at ``start``."""

    subscription: SubscriptionId
    start: datetime
    at: datetime

    def identity(self, code: str) -> str:
        """The same purchase would make the same id."""
        return f"{self.subscription}.{code}"

    def is_own(self, grant: Credit | Prepayment) -> bool:
        """Whether it came with this purchase."""
        return grant.id.startswith(f"{self.subscription}.")

    def end(self, days: int | None) -> datetime | None:
        """When it ends."""
        return None if days is None else self.start + timedelta(days=days)


def credits_with(
    kept: Iterable[Credit], offered: Iterable[PurchaseCredit], given: Given
) -> tuple[Credit, ...]:
    """An account's credits with those of a purchase, which begin anew when it is tried again."""
    others = [credit for credit in kept if not given.is_own(credit)]
    return (*others, *(_credit(each, given) for each in offered))


def prepayments_with(
    kept: Iterable[Prepayment], offered: Iterable[PurchasePrepayment], given: Given
) -> tuple[Prepayment, ...]:
    """An account's prepayments with those of a purchase, likewise."""
    others = [prepayment for prepayment in kept if not given.is_own(prepayment)]
    return (*others, *(_prepayment(each, given) for each in offered))


def _credit(offered: PurchaseCredit, given: Given) -> Credit:
    return Credit(
        id=given.identity(offered.code),
        amount=offered.amount,
        start=given.start,
        end=given.end(offered.days),
        granted=given.at,
        priority=offered.priority,
        products=offered.products,
        description=offered.description,
    )


def _prepayment(offered: PurchasePrepayment, given: Given) -> Prepayment:
    return Prepayment(
        id=given.identity(offered.code),
        amount=offered.amount,
        start=given.start,
        end=given.end(offered.days),
        granted=given.at,
        priority=offered.priority,
        products=offered.products,
        overage_surcharge_percent=offered.overage_surcharge_percent,
        description=offered.description,
    )
