"""What the Marketplace's daily usage report proves about our submissions.

The report (``GET usageEvents``) is a sum a day, not an answer to a request. It counts only once
every hour of the day has expired, so that nothing can be added any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.ids import DimensionId, Resource
from shared.domain.metering.slots import MARKETPLACE_WINDOW
from shared.domain.metering.submission import Settlement, Submission, SubmissionState
from shared.domain.money import ZERO
from shared.domain.period import DAY, HOUR, day_start


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """Units that the Marketplace says it accepted for a resource and dimension on a UTC day."""

    resource: Resource
    dimension: DimensionId
    day: date
    quantity: Decimal
    final: bool = True
    """False while the Marketplace has not decided on every row of the day."""


class Verdict(StrEnum):
    """How the Marketplace's sum of a day compares with ours."""

    MATCHED = "matched"
    MISSING = "missing"
    MISMATCHED = "mismatched"
    FOREIGN = "foreign"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison of a day; ``ours`` and ``theirs`` are units."""

    resource: Resource
    dimension: DimensionId
    day: date
    ours: Decimal
    theirs: Decimal
    verdict: Verdict


def day_expired(day: date, now: datetime) -> bool:
    """Whether no hour of ``day`` can be reported any more, with an hour to spare."""
    return now >= day_start(day) + DAY + MARKETPLACE_WINDOW + HOUR


def known_accepted(submissions: Sequence[Submission]) -> Decimal:
    """Units of a day that are known to be accepted."""
    return sum((s.billed for s in submissions if s.billed is not None), ZERO)


def settle_day(submissions: Sequence[Submission], reported: Decimal) -> tuple[Settlement, ...]:
    """Settle the uncertain ones among all submissions of a resource, dimension and day.

    What the report holds beyond the acceptances we know belongs to the uncertain ones, jointly:
    the first is settled with it and the others with nothing, since only the sum can be known.
    Nothing is settled while one of the day is still under way, or when the report holds less
    than what was certainly accepted: then the report is not complete.
    """
    uncertain = [s for s in submissions if s.state is SubmissionState.UNCERTAIN]
    rest = reported - known_accepted(submissions)
    if not uncertain or rest < 0 or any(s.state.under_way for s in submissions):
        return ()
    settlements: list[Settlement] = []
    for submission in uncertain:
        settled = replace(
            submission, state=SubmissionState.SETTLED, billed=rest, reason="", not_before=None
        )
        settlements.append(Settlement(settled, rest - submission.quantity))
        rest = ZERO
    return tuple(settlements)


def compare(
    resource: Resource,
    dimension: DimensionId,
    day: date,
    ours: Decimal,
    theirs: Decimal,
    final: bool = True,
) -> Comparison:
    """Compare the sums of a day."""
    if not final:
        verdict = Verdict.PENDING
    elif ours == theirs:
        verdict = Verdict.MATCHED
    elif not theirs:
        verdict = Verdict.MISSING
    elif not ours:
        verdict = Verdict.FOREIGN
    else:
        verdict = Verdict.MISMATCHED
    return Comparison(resource, dimension, day, ours, theirs, verdict)
