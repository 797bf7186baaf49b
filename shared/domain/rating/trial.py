"""Free trials: until when an attached plan measures without charging."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.domain.account import AccountPlan
from shared.domain.catalog.charges import FreeTrial
from shared.domain.ids import PlanCode


def trial_end(begun: datetime, trial: FreeTrial | None, zone: str) -> datetime:
    """When a trial ends that began at ``begun``: a midnight of ``zone``; ``begun`` without one.

    The day on which it began is its first. Usage before the end costs nothing and fills no band
    (semantics, rule 14); standing charges and minimums begin after it.
    """
    if trial is None:
        return begun
    info = ZoneInfo(zone)
    last = begun.astimezone(info).date() + timedelta(days=trial.days)
    return datetime.combine(last, time(), info).astimezone(UTC)


def first_begun(plans: Iterable[AccountPlan], plan: PlanCode) -> datetime:
    """When an account had ``plan`` for the first time: who comes back has no second trial.

    Raises ValueError when it never had it.
    """
    return min(attached.start for attached in plans if attached.plan == plan)
