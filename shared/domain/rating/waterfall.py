"""Quantity billing: units beyond what is included, and dimensions that share a quantity by size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from shared.domain.catalog.billing import (
    Included,
    QuantityBilling,
    Waterfall,
    WaterfallStep,
)
from shared.domain.catalog.timeline import END
from shared.domain.ids import DimensionId
from shared.domain.lifecycle.subscription import Subscription, Term
from shared.domain.money import ZERO, floor_to
from shared.domain.period import Cadence, Frequency, Period, day_start
from shared.domain.rating.charge import entered

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

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


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms that follow each other and count their days from the first, as long as they do
    (semantics, rules 17 and 26)."""

    span: Period
    first: Term

    def cadence(self, included: Included | None) -> Cadence | None:
        """The periods in which an included quantity refills; ``None``: not within these terms.

        Monthly on the term's day, or once a term. Without an included quantity sizes are measured
        by the month.
        """
        anchor = self.first.start.date()
        if included is None or included.term is None:
            return Cadence(Frequency.MONTHLY, 1, anchor, "UTC")
        known = _TERMS.get(self.first.unit)
        return None if known is None else Cadence(*known, anchor, "UTC")


def terms_of(subscription: Subscription) -> list[Terms]:
    """All time, by the terms that count; before the first term its days count, too."""
    history = subscription.term_history or (Term(_LONG_AGO),)
    starts = [day_start(term.start.date()) for term in history]
    spans = pairwise([datetime.min.replace(tzinfo=UTC), *starts[1:], END])
    return [Terms(Period(*span), term) for span, term in zip(spans, history, strict=True)]


def refills(billing: QuantityBilling, subscription: Subscription, span: Period) -> list[datetime]:
    """Moments inside ``span`` at which some quantity starts anew, in order."""
    found: set[datetime] = set()
    for terms in terms_of(subscription):
        inside = terms.span.overlap(span)
        if inside is None:
            continue
        found.add(inside.start)
        for part in parts_of(billing):
            cadence = terms.cadence(part.included)
            if cadence is not None:
                starts = (period.start for period in cadence.periods(inside.start, inside.end))
                found |= {start for start in starts if start >= inside.start}
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
    terms = next(each for each in terms_of(subscription) if moment in each.span)
    cadence = terms.cadence(included)
    if cadence is None:
        return day_start(terms.first.start.date())
    return max(cadence.period_at(moment).start, terms.span.start)


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
