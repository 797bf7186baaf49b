"""Unit lines: what a family's plans report by quantity, window by window (semantics, rule 26)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.catalog.billing import QuantityBilling
from shared.domain.ids import AccountCode, DimensionId, PlanCode
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import ZERO
from shared.domain.period import Period
from shared.domain.rating.owed import Owed
from shared.domain.rating.rate import RatedPeriod
from shared.domain.rating.waterfall import added, parts_of, refill_start, units
from shared.domain.rating.windows import TICK, Section, bill_period


@dataclass(frozen=True, slots=True)
class UnitLine:
    """``units`` of a dimension on the bill of ``whole``, which the Marketplace prices by the plan
    that it knows as ``sold_as``. They come of ``measured`` usage, or of a charge without any."""

    account: AccountCode
    plan: PlanCode
    dimension: DimensionId
    sold_as: str
    description: str
    period: Period
    whole: Period
    units: Decimal
    measured: Decimal | None = None


def unit_lines(owed: Iterable[Owed], subscription: Subscription) -> Iterator[UnitLine]:
    """Every unit line; for each dimension they add up to its total over the subscription."""
    for each in owed:
        yield from _measured(each, subscription)
        for fixed in each.fixed_units():
            whole = fixed.section.cadence.period_at(fixed.at)
            yield UnitLine(
                each.record.account.code,
                fixed.section.plan.code,
                fixed.dimension,
                subscription.plan_at(fixed.at),
                fixed.description,
                Period(fixed.at, fixed.at + TICK),
                _home(each, fixed.section, whole),
                fixed.units,
            )


def _measured(owed: Owed, subscription: Subscription) -> Iterator[UnitLine]:
    """Each attachment measures against its own whole included quantity, anew at each refill."""
    groups: dict[tuple[str, int, datetime], list[tuple[RatedPeriod, Decimal]]] = {}
    for period in owed.periods:
        billing = period.plan.billing
        if not isinstance(billing, QuantityBilling):
            continue
        parts = parts_of(billing)
        for quantity in period.record.quantities:
            included = parts[quantity.place].included
            refill = refill_start(included, subscription, period.window.period.start)
            key = (period.attachment.id, quantity.place, refill)
            groups.setdefault(key, []).append((period, quantity.measured))
    for (_, place, _), windows in groups.items():
        yield from _of_refill(owed, subscription, place, windows)


def _of_refill(
    owed: Owed,
    subscription: Subscription,
    place: int,
    windows: list[tuple[RatedPeriod, Decimal]],
) -> Iterator[UnitLine]:
    """What each window adds to the units of a refill period, by the billing in force last."""
    last, _ = windows[-1]
    if not isinstance(last.plan.billing, QuantityBilling):
        return
    part = parts_of(last.plan.billing)[place]
    sold_as = subscription.plan_at(last.window.period.start)
    total, before = ZERO, added(units(part, ZERO))
    for period, measured in windows:
        total += measured
        after = added(units(part, total))
        window = period.window
        for dimension in {**before, **after}:
            yield UnitLine(
                owed.record.account.code,
                period.plan.code,
                dimension,
                sold_as,
                part.aggregation,
                window.period,
                _home(owed, window.section, window.whole),
                after.get(dimension, ZERO) - before.get(dimension, ZERO),
                measured,
            )
        before = after


def _home(owed: Owed, section: Section, whole: Period) -> Period:
    """The billing period on whose bill a line stands."""
    return whole if owed.payer is None else bill_period(owed.payer, section.timeline, whole)
