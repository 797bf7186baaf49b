"""Parked input in memory."""

from collections.abc import Iterable, Sequence

from shared.domain.ids import AccountCode, Shard, shard_of
from shared.domain.usage.event import canonical_payload, payload_hash
from shared.ports import (
    Kept,
    KeptBefore,
    NoRoom,
    ParkAnswer,
    ParkedEvent,
    ParkedPlace,
    ParkingLimits,
)


class FakeParking:
    """An identity is account, day and key of an event."""

    def __init__(self, limits: ParkingLimits | None = None) -> None:
        self._limits = limits or ParkingLimits()
        self._parked: dict[AccountCode, dict[ParkedPlace, ParkedEvent]] = {}
        self._strangers: set[AccountCode] = set()

    def park(self, events: Sequence[ParkedEvent]) -> list[ParkAnswer]:
        return [self._park(parked) for parked in events]

    def accounts(self) -> dict[AccountCode, int]:
        return {account: len(rows) for account, rows in self._parked.items()}

    def of_account(
        self, account: AccountCode, after: ParkedPlace | None = None
    ) -> Iterable[ParkedEvent]:
        rows = self._parked.get(account, {})
        return [rows[place] for place in sorted(rows) if after is None or place > after]

    def drop(self, parked: Sequence[ParkedEvent]) -> None:
        for one in parked:
            account = one.event.account
            rows = self._parked.get(account, {})
            rows.pop(one.place, None)
            if not rows:
                self._parked.pop(account, None)

    def _park(self, parked: ParkedEvent) -> ParkAnswer:
        account = parked.event.account
        found = self._parked.get(account, {}).get(parked.place)
        if found is not None:
            return KeptBefore(payload_hash(canonical_payload(found.event)))
        lack = self._lack(account, parked.stranger)
        if lack is not None:
            return lack
        self._parked.setdefault(account, {})[parked.place] = parked
        if parked.stranger:
            self._strangers.add(account)
        else:
            self._strangers.discard(account)
        return Kept()

    def _lack(self, account: AccountCode, stranger: bool) -> NoRoom | None:
        limits = self._limits
        if len(self._parked.get(account, {})) >= limits.per_account:
            return NoRoom.ACCOUNT
        if not stranger:
            return None
        others = self._others(shard_of(account))
        full = sum(others.values()) >= limits.events_of_strangers
        crowded = account not in self._parked and len(others) >= limits.strangers
        return NoRoom.STRANGERS if full or crowded else None

    def _others(self, shard: Shard) -> dict[AccountCode, int]:
        """Unknown accounts of a shard and how many events each has."""
        accounts = self.accounts()
        return {
            account: accounts[account]
            for account in self._strangers & accounts.keys()
            if shard_of(account) == shard
        }
