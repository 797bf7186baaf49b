"""Finds out which hours of which accounts may have changed since a shard's last complete run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from shared.domain.ids import AccountCode, Shard
from shared.domain.period import DAY, HOUR, day_of, day_start, days_between, hour_of
from shared.ports import Mark, UsageLog

OVERLAP = HOUR
"""Each run looks again at the hour before the last complete one began: a transaction may land
that much later than the hour it was marked with, clocks' differences included."""

_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Changed:
    """Hours of an account with new usage; ``since`` is the earliest hour it arrived in."""

    since: datetime
    hours: set[datetime] = field(default_factory=set)

    def add(self, mark: Mark) -> None:
        """Take a mark of the account into account."""
        self.since = min(self.since, mark.arrival_hour)
        self.hours.add(mark.event_hour)


class Collect:
    """Reads change marks."""

    def __init__(self, log: UsageLog) -> None:
        self._log = log

    def __call__(
        self,
        shard: Shard,
        last_completed: datetime | None,
        now: datetime,
        overdue: Mapping[AccountCode, datetime],
    ) -> dict[AccountCode, Changed]:
        """Changes that arrived since ``last_completed``; and of each account in ``overdue``,
        which earlier runs failed to handle, every hour of the days that may have received usage
        since the hour given there. The marks of the others are not read again for its sake."""
        since = _EVER if last_completed is None else hour_of(last_completed - OVERLAP)
        changes: dict[AccountCode, Changed] = {}
        for day in sorted(self._days(shard, since, now)):
            for mark in self._log.marks(day, shard, since):
                changes.setdefault(mark.account, Changed(mark.arrival_hour)).add(mark)
        earlier = {account: hour for account, hour in overdue.items() if hour < since}
        days = self._days(shard, min(earlier.values()), now) if earlier else set()
        for account, hour in earlier.items():
            changed = changes.setdefault(account, Changed(hour))
            changed.since = hour
            changed.hours |= {
                day_start(day) + number * HOUR for day in days for number in range(24)
            }
        return changes

    def _days(self, shard: Shard, first: datetime, now: datetime) -> set[date]:
        if first == _EVER:
            return self._log.days()
        recent = days_between(day_of(first - DAY), day_of(now))
        return set(recent) | self._log.hinted_days(shard, first)
