"""Compares a day of the Marketplace's usage report with what we know was accepted."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shared.domain.finding import Finding, FindingKind
from shared.domain.ids import DimensionId, Resource, shard_of
from shared.domain.metering.reconciliation import Comparison, Verdict, compare
from shared.domain.metering.submission import Submission
from shared.domain.money import ZERO, to_text
from shared.domain.period import day_of, day_start
from shared.ports import Accounts, Findings, Ledger, Metering

type Sums = dict[tuple[Resource, DimensionId], Decimal]


@dataclass(frozen=True, slots=True)
class ReconcileUsage:
    """Daily; reads the report once and a page of submissions an account."""

    accounts: Accounts
    ledger: Ledger
    metering: Metering
    findings: Findings

    def __call__(self, day: date, now: datetime) -> list[Comparison]:
        """Compare a day; whatever does not match becomes a finding, and a match ends one.

        Submissions that are uncertain or under way are left out on our side: they have findings
        of their own. Raises like the adapters when the report cannot be read.
        """
        theirs: Sums = {}
        pending: set[tuple[Resource, DimensionId]] = set()
        for row in self.metering.usage_of(day):
            key = (Resource(row.resource.lower()), row.dimension)
            theirs[key] = row.quantity
            if not row.final:
                pending.add(key)
        ours = self._ours(day)
        comparisons = [
            compare(*key, day, ours.get(key, ZERO), theirs.get(key, ZERO), key not in pending)
            for key in sorted(ours.keys() | theirs.keys())
        ]
        for comparison in comparisons:
            self._note(comparison, now)
        return comparisons

    def _ours(self, day: date) -> Sums:
        sums: Sums = {}
        for code in self.accounts.codes():
            stored = self.accounts.load(code)
            for subscription in stored.value.subscriptions if stored else ():
                resource = Resource(subscription.id)
                found = self.ledger.submissions(shard_of(code), resource, day_start(day))
                _add(sums, [s for s in found if day_of(s.hour) == day])
        return sums

    def _note(self, comparison: Comparison, now: datetime) -> None:
        subject = f"{comparison.resource} {comparison.dimension} {comparison.day}"
        if comparison.verdict is Verdict.MATCHED:
            self.findings.drop(FindingKind.REPORT_MISMATCH, subject)
            return
        detail = (
            f"{comparison.verdict}: the Marketplace reports {to_text(comparison.theirs)} units, "
            f"{to_text(comparison.ours)} are known to be accepted"
        )
        self.findings.note([Finding(FindingKind.REPORT_MISMATCH, subject, detail, now)])


def _add(sums: Sums, submissions: list[Submission]) -> None:
    for submission in submissions:
        if submission.billed:
            key = (Resource(submission.key.resource.lower()), submission.key.dimension)
            sums[key] = sums.get(key, ZERO) + submission.billed
