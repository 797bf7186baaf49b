"""Parked input in memory."""

from collections.abc import Iterable, Sequence
from datetime import date

from shared.domain.ids import AccountCode
from shared.domain.usage.event import EventKey, canonical_payload, payload_hash
from shared.ports import ParkedEvent

type _Identity = tuple[date, EventKey]


class FakeParking:
    """An identity is account, day and key of an event."""

    def __init__(self) -> None:
        self._parked: dict[AccountCode, dict[_Identity, ParkedEvent]] = {}

    def park(self, events: Sequence[ParkedEvent]) -> list[str | None]:
        return [self._park(parked) for parked in events]

    def accounts(self) -> set[AccountCode]:
        return set(self._parked)

    def of_account(self, account: AccountCode) -> Iterable[ParkedEvent]:
        rows = self._parked.get(account, {})
        return [rows[identity] for identity in sorted(rows)]

    def drop(self, parked: ParkedEvent) -> None:
        account = parked.event.account
        rows = self._parked.get(account, {})
        rows.pop(_identity(parked), None)
        if not rows:
            self._parked.pop(account, None)

    def _park(self, parked: ParkedEvent) -> str | None:
        rows = self._parked.setdefault(parked.event.account, {})
        found = rows.get(_identity(parked))
        if found is not None:
            return payload_hash(canonical_payload(found.event))
        rows[_identity(parked)] = parked
        return None


def _identity(parked: ParkedEvent) -> _Identity:
    return parked.event.day, parked.event.key
