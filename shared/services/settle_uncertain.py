"""Settles uncertain submissions by the Marketplace's own usage report, once it is final.

A submission is uncertain when an attempt was never answered and a later one came too late. The
report of its day says what was accepted; it is believed when no hour of the day can be added to
any more, and when two readings an hour apart agree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from shared.domain.errors import ConcurrentUpdate
from shared.domain.finding import Finding, FindingKind
from shared.domain.ids import DimensionId, Resource, Shard
from shared.domain.metering.reconciliation import ReportedUsage, day_expired, settle_day
from shared.domain.metering.submission import Settlement, Submission
from shared.domain.money import ZERO, to_text
from shared.domain.period import HOUR, day_of, day_start, hour_of
from shared.ports import (
    AgendaEntry,
    Findings,
    Ledger,
    LedgerWrite,
    Metering,
    PutAgenda,
    PutRow,
    PutSubmission,
    Versioned,
)

type Group = tuple[Resource, DimensionId, date]
"""What the report sums up: a resource's dimension on a UTC day, whatever the plan."""


@dataclass(frozen=True, slots=True)
class SettleUncertain:
    """Run with every shard that has uncertain submissions."""

    ledger: Ledger
    metering: Metering
    findings: Findings

    def __call__(
        self, shard: Shard, uncertain: Iterable[Versioned[Submission]], now: datetime
    ) -> list[Submission]:
        """Settle what can be settled at ``now``; returns the submissions that were.

        Raises ``Throttled``, ``Unavailable`` or ``Rejected`` when the report cannot be had.
        """
        groups: dict[Group, list[Versioned[Submission]]] = {}
        for submission in uncertain:
            value = submission.value
            group = (value.key.resource, value.key.dimension, day_of(value.hour))
            groups.setdefault(group, []).append(submission)
        reports: dict[date, dict[tuple[Resource, DimensionId], ReportedUsage]] = {}
        settled: list[Submission] = []
        for (resource, dimension, day), members in sorted(groups.items(), key=lambda g: g[0]):
            self._say_so(members, now)
            if not day_expired(day, now):
                continue
            if day not in reports:
                reports[day] = {
                    (row.resource, row.dimension): row for row in self.metering.usage_of(day)
                }
            row = reports[day].get((Resource(resource.lower()), dimension))
            if row is None or row.final:
                reported = ZERO if row is None else row.quantity
                settled += self._handle(shard, members, reported, day, now)
        return settled

    def _handle(
        self,
        shard: Shard,
        members: Sequence[Versioned[Submission]],
        reported: Decimal,
        day: date,
        now: datetime,
    ) -> list[Submission]:
        """Note a first reading; settle by a second one that agrees with it."""
        if any(m.value.reported != reported for m in members):
            self._note_reading(shard, members, reported, now)
            return []
        readings = [m.value.reported_at for m in members if m.value.reported_at]
        if now - max(readings) < HOUR:
            return []
        key = members[0].value.key
        every = [
            s
            for s in self.ledger.submissions(shard, key.resource, day_start(day))
            if s.key.dimension == key.dimension and day_of(s.hour) == day
        ]
        settlements = settle_day(every, reported)
        if not settlements or not self._write(shard, members, settlements, now):
            return []
        for member in members:
            self.findings.drop(FindingKind.UNCERTAIN, _subject(member.value))
        return [settlement.submission for settlement in settlements]

    def _note_reading(
        self,
        shard: Shard,
        members: Sequence[Versioned[Submission]],
        reported: Decimal,
        now: datetime,
    ) -> None:
        writes = [
            PutSubmission(replace(m.value, reported=reported, reported_at=now), m.etag)
            for m in members
        ]
        try:
            self.ledger.write(shard, writes)
        except ConcurrentUpdate:
            return  # Another run notes the same reading.

    def _write(
        self,
        shard: Shard,
        members: Sequence[Versioned[Submission]],
        settlements: Sequence[Settlement],
        now: datetime,
    ) -> bool:
        """Write all settlements of a day with their ledger rows, or nothing."""
        etags = {(m.value.key, m.value.hour): m.etag for m in members}
        rows = self.ledger.rows(shard, members[0].value.key.resource)
        writes: list[LedgerWrite] = []
        changed = {key: stored.value for key, stored in rows.items()}
        for settlement in settlements:
            submission = settlement.submission
            etag = etags.get((submission.key, submission.hour))
            if etag is None:
                return False  # One became uncertain meanwhile; the next run sees them all.
            writes.append(PutSubmission(submission, etag))
            row = changed[submission.key]
            changed[submission.key] = replace(row, committed=row.committed + settlement.committed)
        for key, row in changed.items():
            if row != rows[key].value:
                writes.append(PutRow(row, rows[key].etag))
        writes.append(PutAgenda(AgendaEntry(hour_of(now), members[0].value.account)))
        try:
            self.ledger.write(shard, writes)
        except ConcurrentUpdate:
            return False
        return True

    def _say_so(self, members: Sequence[Versioned[Submission]], now: datetime) -> None:
        """People see at once that something is in doubt, and how much."""
        self.findings.note(
            [
                Finding(
                    FindingKind.UNCERTAIN,
                    _subject(m.value),
                    f"{to_text(m.value.quantity)} units of {m.value.key.dimension} may or may not "
                    "have been accepted; the usage report of the day will tell",
                    now,
                )
                for m in members
                if m.value.reported_at is None
            ]
        )


def _subject(submission: Submission) -> str:
    key = submission.key
    return f"{submission.account} {key.dimension} {submission.hour:%Y-%m-%dT%HZ}"
