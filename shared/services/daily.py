"""The daily work: the audit, the day tables, and the Marketplace's own report."""

from dataclasses import dataclass, field
from datetime import date

from shared.domain.errors import UpstreamFailure
from shared.domain.ids import all_shards
from shared.domain.metering.reconciliation import Comparison
from shared.domain.period import DAY, day_of
from shared.ports import Clock
from shared.services.audit import Audit, AuditReport, TendTables
from shared.services.reconcile_usage import ReconcileUsage

REPORT_DELAY = 3 * DAY
"""How old a day is when it is compared: its hours have expired a day before, and the report,
whose freshness is not documented, had that day to catch up."""


@dataclass(slots=True)
class DailyReport:
    """What the daily work found."""

    audits: list[AuditReport] = field(default_factory=list)
    dropped: list[date] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    reconcile_failure: str = ""


@dataclass(frozen=True, slots=True)
class Daily:
    """Each part goes on when another fails."""

    audit: Audit
    tend_tables: TendTables
    reconcile: ReconcileUsage
    clock: Clock

    def __call__(self) -> DailyReport:
        """Do it all, once a day; doing it again is harmless."""
        report = DailyReport()
        report.audits = [self.audit(shard) for shard in all_shards()]
        report.dropped = self.tend_tables(all_shards())
        now = self.clock.now()
        try:
            report.comparisons = self.reconcile(day_of(now - REPORT_DELAY), now)
        except UpstreamFailure as exc:
            report.reconcile_failure = f"{exc.code}: {exc}"
        return report
