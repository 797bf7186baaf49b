"""Entries: every amount that an account owes, with what decides who pays it and on which bill."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.catalog.billing import Billing
from shared.domain.ids import AccountCode, PlanCode, ProductCode
from shared.domain.period import Period


class EntryKind(StrEnum):
    """What an amount is owed for, in the order of charges on a bill."""

    USAGE = "USAGE"
    MINIMUM = "MINIMUM"
    STANDING = "STANDING"
    SCHEDULED = "SCHEDULED"
    AD_HOC = "AD_HOC"
    ADJUSTMENT = "ADJUSTMENT"
    SURCHARGE = "SURCHARGE"


@dataclass(frozen=True, slots=True)
class Entry:
    """``amount`` is owed for ``period``, in whole minor units of the organization's currency.

    ``at`` decides which prepayments and credits may pay it; ``whole`` is the billing period on
    whose bill it stands, in which it is ``closed`` once that has ended. ``key`` names it among all
    entries of the account, whenever they are computed; parts of one amount share a key.
    """

    kind: EntryKind
    key: str
    account: AccountCode
    attachment: str
    plan: PlanCode
    at: datetime
    amount: Decimal
    product: ProductCode | None
    period: Period
    whole: Period
    billing: Billing
    closed: bool
    description: str = ""


def in_order(entry: Entry) -> tuple[object, ...]:
    """Entries are paid as they fell due, usage first where several fell due together."""
    return (entry.at, _ORDER[entry.kind], entry.account, entry.key)


_ORDER = {kind: place for place, kind in enumerate(EntryKind)}
