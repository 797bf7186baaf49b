"""The daily audit: folds again what should be folded already, and tends the day tables.

Whatever rule of ingestion or of the hourly run were ever broken, this finds the usage that was
stored and not counted, counts it, and says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from shared.domain.errors import MeteringError
from shared.domain.finding import Finding, FindingKind
from shared.domain.ids import AccountCode, Shard
from shared.domain.period import DAY, day_of, hour_of
from shared.ports import AgendaEntry, Clock, Findings, Ledger, Mark, PutAgenda, UsageLog
from shared.services.collect import Changed
from shared.services.fold import Fold

LOOK_BACK = timedelta(hours=48)

NOT_YET = timedelta(hours=3)
"""What changed this recently is still the hourly run's to fold."""


@dataclass(slots=True)
class AuditReport:
    """What an audit of a shard looked at and what it found."""

    shard: Shard
    accounts: int = 0
    behind: list[AccountCode] = field(default_factory=list)
    failed: dict[AccountCode, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """Audits one shard."""

    log: UsageLog
    fold: Fold
    ledger: Ledger
    findings: Findings
    clock: Clock

    def __call__(self, shard: Shard, days: Iterable[date] | None = None) -> AuditReport:
        """Fold every mark of the last 48 hours again, in all tables; or every mark of ``days``.

        An account whose cells were behind its partials is rated by the next run.
        """
        now = self.clock.now()
        report = AuditReport(shard)
        if days is None:
            since, tables = hour_of(now - LOOK_BACK), sorted(self.log.days())
        else:
            since, tables = datetime.min.replace(tzinfo=now.tzinfo), sorted(days)
        for day in tables:
            settled = _settled(self.log.marks(day, shard, since), hour_of(now - NOT_YET))
            for account in sorted(settled):
                report.accounts += 1
                self._look(shard, account, settled[account], now, report)
        return report

    def _look(
        self,
        shard: Shard,
        account: AccountCode,
        changed: Changed,
        now: datetime,
        report: AuditReport,
    ) -> None:
        """Fold again; what had not been counted is billed by the next run, which reads the
        account's marks from the hour they arrived in, so periods that have ended are rated
        again too."""
        try:
            folded = self.fold(shard, account, changed.hours, None)
            if not folded.improved:
                return
            self.ledger.write(shard, [PutAgenda(AgendaEntry(changed.since, account))])
        except MeteringError as exc:
            report.failed[account] = f"{exc.code}: {exc}"
            return
        report.behind.append(account)
        hours = changed.hours
        detail = f"usage of {len(hours)} hours on {day_of(min(hours))} had not been counted"
        self.findings.note([Finding(FindingKind.FOLD_BEHIND, account, detail, now)])


def _settled(marks: Iterable[Mark], before: datetime) -> dict[AccountCode, Changed]:
    """Event hours of each account that changed before ``before`` and not since."""
    settled: dict[AccountCode, Changed] = {}
    moving: set[tuple[AccountCode, datetime]] = set()
    for mark in marks:
        if mark.arrival_hour < before:
            settled.setdefault(mark.account, Changed(mark.arrival_hour)).add(mark)
        else:
            moving.add((mark.account, mark.event_hour))
    for account, hour in moving:
        if account in settled:
            settled[account].hours.discard(hour)
    return {account: changed for account, changed in settled.items() if changed.hours}


@dataclass(frozen=True, slots=True)
class TendTables:
    """Makes tomorrow's table, and drops tables that no event can enter any more."""

    log: UsageLog
    audit: Audit
    clock: Clock
    retention: timedelta

    def __call__(self, shards: Iterable[Shard]) -> list[date]:
        """Returns the days whose tables were dropped.

        A table is audited once more before it goes. One with usage that had not been counted
        stays another day, because the run that bills it needs the table's change marks; so does
        one with an account that cannot be folded.
        """
        today = day_of(self.clock.now())
        self.log.make_day(today)
        self.log.make_day(today + DAY)
        dropped: list[date] = []
        for day in sorted(self.log.days()):
            if today - day <= self.retention:
                continue
            reports = [self.audit(shard, [day]) for shard in shards]
            if any(report.failed or report.behind for report in reports):
                continue
            self.log.drop_day(day)
            dropped.append(day)
        return dropped
