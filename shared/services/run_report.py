"""What an hourly run of a shard found and did."""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.errors import MeteringError
from shared.domain.finding import Finding, FindingKind
from shared.domain.ids import AccountCode, Shard
from shared.domain.metering.ledger import LedgerRow
from shared.domain.metering.submission import Submission
from shared.domain.money import ZERO, to_text
from shared.services.submit import Submitted


@dataclass(slots=True)
class RunReport:
    """What a run found and did, for logs and metrics."""

    shard: Shard
    started: datetime
    accounts: int = 0
    oldest_unsent: datetime | None = None
    """The earliest hour whose submission an earlier run had made and not brought to an end."""
    intents: int = 0
    calls: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    """Why the Marketplace refused attempts, and how often."""
    failed: dict[AccountCode, str] = field(default_factory=dict)
    differing: list[Submission] = field(default_factory=list)
    settled: list[Submission] = field(default_factory=list)
    unsettled: str = ""
    uncertain: int = 0
    """Submissions of which it stays unknown whether the Marketplace accepted them."""
    written_off: list[LedgerRow] = field(default_factory=list)

    def note(self, submitted: Submitted) -> None:
        """Add what a round of sending did."""
        self.calls += submitted.calls
        self.differing += submitted.differing
        for name, count in submitted.answers.items():
            self.answers[name] = self.answers.get(name, 0) + count
        for reason, count in submitted.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


def reason_of(failure: Exception) -> str:
    """Why an account failed: an expected error by its code, a fault of ours by its place."""
    if isinstance(failure, MeteringError):
        return f"{failure.code}: {failure}"
    last = traceback.extract_tb(failure.__traceback__)[-1]
    place = f"{last.name}:{last.lineno}"
    return f"{type(failure).__name__} at {place}: {failure}"


def findings_of(report: RunReport) -> list[Finding]:
    """What people should look at after a run; the rest is told before it is written down."""
    return [
        Finding(FindingKind.ACCOUNT_FAILED, account, reason, report.started)
        for account, reason in report.failed.items()
    ]


def differing(submission: Submission, now: datetime) -> Finding:
    """The Marketplace holds another quantity than was sent."""
    key = submission.key
    return Finding(
        FindingKind.QUANTITY_DIFFERS,
        f"{submission.account} {key.dimension} {submission.hour:%Y-%m-%dT%HZ}",
        f"sent {to_text(submission.quantity)}, "
        f"and the Marketplace holds {to_text(submission.billed or ZERO)}",
        now,
    )


def written_off(rows: Iterable[LedgerRow], now: datetime) -> list[Finding]:
    """What can no longer be charged."""
    return [
        Finding(
            FindingKind.WRITTEN_OFF,
            f"{row.account} {row.key.dimension}",
            f"{to_text(row.written_off)} units can no longer be charged: the subscription ended "
            "more than a day ago",
            now,
        )
        for row in rows
    ]
