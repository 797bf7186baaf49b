"""The ledger: how much of a dimension's total the Marketplace has been told, or may have been."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.ids import AccountCode, DimensionId, Resource
from shared.domain.money import ZERO

REMEMBERED = timedelta(hours=26)
"""Used hours are remembered for longer than the 24 hours the Marketplace takes."""


@dataclass(frozen=True, slots=True, order=True)
class LedgerKey:
    """What a ledger row counts. ``plan`` is set for quantity billing only, where plans price
    one dimension differently."""

    resource: Resource
    dimension: DimensionId
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One dimension's running account with the Marketplace, in units.

    ``rated`` is the total last computed; ``committed`` includes what is in flight or
    uncertain; ``open_hour`` names the one submission under way, which blocks the next;
    ``used_hours`` are the hours of the last day that carry a submission; ``flushed`` says that
    the final submission after the end of the subscription has been decided; ``refunded`` is
    what Microsoft gave back (taken off ``committed``); ``written_off`` is what can no longer
    be charged.
    """

    key: LedgerKey
    account: AccountCode
    rated: Decimal = ZERO
    committed: Decimal = ZERO
    open_hour: datetime | None = None
    used_hours: tuple[datetime, ...] = ()
    flushed: bool = False
    refunded: Decimal = ZERO
    written_off: Decimal = ZERO

    def remembering(self, hour: datetime) -> tuple[datetime, ...]:
        """``used_hours`` with ``hour`` added and those too old to matter left out."""
        newest = max((hour, *self.used_hours))
        kept = {used for used in self.used_hours if newest - used <= REMEMBERED}
        return tuple(sorted(kept | {hour}))


@dataclass(frozen=True, slots=True)
class Refund:
    """Units that Microsoft gave back to a customer; ``id`` is the caller's, used once."""

    key: LedgerKey
    id: str
    units: Decimal
    at: datetime
    by: str
    note: str = ""
