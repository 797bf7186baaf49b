"""Locked bills: what they froze, so that nothing that comes later changes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from shared.domain.ids import DimensionId, SubscriptionId
from shared.domain.money import ZERO
from shared.domain.period import Period
from shared.domain.rating.entry import Entry


@dataclass(frozen=True, slots=True)
class DimensionAmount:
    """US dollars owed through a dimension whose units cost ``unit_price``."""

    dimension: DimensionId
    unit_price: Decimal
    dollars: Decimal


@dataclass(frozen=True, slots=True)
class LockedBill:
    """What rating needs of a locked bill: its entries, who paid, and what was left to pay.

    ``version`` was the newest version of the catalogue then: what comes late is rated by it.
    """

    id: str
    subscription: SubscriptionId
    period: Period
    entries: tuple[Entry, ...]
    due: tuple[DimensionAmount, ...]
    draws: Mapping[str, Decimal] = field(default_factory=dict)
    version: int = 0


def drawn(bills: Iterable[LockedBill]) -> dict[str, Decimal]:
    """What each prepayment and credit has paid on ``bills``."""
    sums: dict[str, Decimal] = {}
    for bill in bills:
        for grant, amount in bill.draws.items():
            sums[grant] = sums.get(grant, ZERO) + amount
    return sums
