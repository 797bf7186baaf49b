"""Standing charges: what a plan costs by time, in advance or in arrears (semantics, rule 11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.catalog.charges import StandingCharge, Timing
from shared.domain.period import Cadence, Period
from shared.domain.rating.proration import prorated


@dataclass(frozen=True, slots=True)
class Standing:
    """One standing charge, exact: due at ``due`` for the ``active`` part of the ``whole`` span
    that the charge is meant for."""

    due: datetime
    active: Period
    whole: Period
    amount: Decimal


def standing_charges(
    charge: StandingCharge, cadence: Cadence, begun: datetime, active: Period, until: datetime
) -> Iterator[Standing]:
    """Every charge that has fallen due by ``until``, for the ``active`` part of a plan.

    ``cadence`` has the charge's own periods. The plan began at ``begun``; the first charge covers
    the ``interval`` periods that begin ``offset`` periods after the one in which it did. In
    advance a charge is due when its active part begins, in arrears when that ends; it is prorated
    to the active days of the cadence's time zone (rule 12).
    """
    for part, whole in _spans(charge, cadence, begun, active):
        due = part.start if charge.timing is Timing.IN_ADVANCE else part.end
        if due > until:
            return
        yield Standing(due, part, whole, prorated(charge.amount, part, whole, cadence.zone))


def next_standing(
    charge: StandingCharge, cadence: Cadence, begun: datetime, active: Period, now: datetime
) -> datetime | None:
    """When the next charge falls due after ``now``; ``None`` when no more does."""
    for part, _ in _spans(charge, cadence, begun, active):
        due = part.start if charge.timing is Timing.IN_ADVANCE else part.end
        if due > now:
            return due
    return None


def _spans(
    charge: StandingCharge, cadence: Cadence, begun: datetime, active: Period
) -> Iterator[tuple[Period, Period]]:
    """The active part of every charge and the whole of it, in order."""
    first = cadence.index_at(begun) + charge.offset
    passed = max(cadence.index_at(active.start) - first, 0) // charge.interval
    n = first + passed * charge.interval
    while True:
        whole = Period(cadence.nth(n).start, cadence.nth(n + charge.interval - 1).end)
        if whole.start >= active.end:
            return
        part = whole.overlap(active)
        if part is not None:
            yield part, whole
        n += charge.interval
