"""Quantity billing: units beyond what is included, and dimensions that share a quantity by size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from shared.domain.catalog.billing import (
    Included,
    QuantityBilling,
    Waterfall,
    WaterfallStep,
)
from shared.domain.ids import DimensionId
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import ZERO, floor_to
from shared.domain.period import Cadence, Frequency, Period, day_start
from shared.domain.rating.charge import entered

REPORTED_PLACES = 9
"""Decimal places that the Marketplace is told; the rest waits until it adds up."""

_TERMS = {"P1M": (Frequency.MONTHLY, 1), "P1Y": (Frequency.ANNUALLY, 1)} | {
    f"P{years}Y": (Frequency.ANNUALLY, years) for years in (2, 3, 5)
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """What was measured for one part of a plan's billing, in one span of time.

    ``place`` counts the plan's dimensions and then its waterfalls.
    """

    place: int
    measured: Decimal


def term_anchor(subscription: Subscription) -> date:
    """The day that terms and their months are counted from (semantics, rules 17 and 26)."""
    begun = subscription.term_start or subscription.start
    return date(2000, 1, 1) if begun is None else begun.date()


def refill_cadence(included: Included | None, subscription: Subscription) -> Cadence | None:
    """The periods in which an included quantity refills; ``None``: never again.

    Monthly on the term's day, or once a term. Without an included quantity sizes are measured by
    the month.
    """
    anchor = term_anchor(subscription)
    if included is None or included.term is None:
        return Cadence(Frequency.MONTHLY, 1, anchor, "UTC")
    known = _TERMS.get(subscription.term_unit)
    return None if known is None else Cadence(*known, anchor, "UTC")


def refills(billing: QuantityBilling, subscription: Subscription, span: Period) -> list[datetime]:
    """Moments inside ``span`` at which some quantity starts anew, in order."""
    found: set[datetime] = set()
    for part in parts_of(billing):
        cadence = refill_cadence(part.included, subscription)
        if cadence is not None:
            found |= {period.start for period in cadence.periods(span.start, span.end)}
    return sorted(moment for moment in found if span.start < moment)


def parts_of(billing: QuantityBilling) -> Sequence[Waterfall]:
    """Dimensions and waterfalls alike: a dimension is a waterfall of one step."""
    single = (
        Waterfall(d.aggregation, (WaterfallStep(d.id),), d.segment, d.included)
        for d in billing.dimensions
    )
    return (*single, *billing.waterfalls)


def units(part: Waterfall, quantity: Decimal) -> Iterator[tuple[DimensionId, Decimal]]:
    """How many units of each dimension a quantity of one refill period makes (rules 2 and 26)."""
    beyond = max(quantity - _included(part.included), ZERO)
    for step, _, size in entered(part.steps, beyond):
        yield step.id, floor_to(size, REPORTED_PLACES)


def refill_start(
    included: Included | None, subscription: Subscription, moment: datetime
) -> datetime:
    """Where the refill period of ``moment`` begins."""
    cadence = refill_cadence(included, subscription)
    if cadence is None:
        return day_start(term_anchor(subscription))
    return cadence.period_at(moment).start


def added(parts: Iterable[tuple[DimensionId, Decimal]]) -> dict[DimensionId, Decimal]:
    """Units by dimension."""
    found: dict[DimensionId, Decimal] = {}
    for dimension, size in parts:
        found[dimension] = found.get(dimension, ZERO) + size
    return found


def _included(included: Included | None) -> Decimal:
    if included is None:
        return ZERO
    return included.monthly or included.term or ZERO
