"""Unit lines: what a family's plans report by quantity, window by window (semantics, rule 26)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.catalog.billing import QuantityBilling, Waterfall
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


type _Identity = tuple[tuple[DimensionId, ...], int]
"""What a part of a billing reports through, and which of those that report through the same."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a window measured for a part of its billing."""

    period: RatedPeriod
    part: Waterfall
    quantity: Decimal


def _measured(owed: Owed, subscription: Subscription) -> Iterator[UnitLine]:
    """Each attachment measures against its own whole included quantity, anew at each refill, and
    for each dimension by itself: what one was told is never told to another, however a later
    version of the catalogue arranges them."""
    groups: dict[tuple[str, _Identity, datetime], list[_Measured]] = {}
    for period in owed.periods:
        billing = period.plan.billing
        if not isinstance(billing, QuantityBilling):
            continue
        named = list(_identified(parts_of(billing)))
        for quantity in period.record.quantities:
            identity, part = named[quantity.place]
            refill = refill_start(part.included, subscription, period.window.period.start)
            key = (period.attachment.id, identity, refill)
            groups.setdefault(key, []).append(_Measured(period, part, quantity.measured))
    for windows in groups.values():
        yield from _of_refill(owed, subscription, windows)


def _identified(parts: Sequence[Waterfall]) -> Iterator[tuple[_Identity, Waterfall]]:
    seen: Counter[tuple[DimensionId, ...]] = Counter()
    for part in parts:
        dimensions = tuple(step.id for step in part.steps)
        yield (dimensions, seen[dimensions]), part
        seen[dimensions] += 1


def _of_refill(
    owed: Owed, subscription: Subscription, windows: Sequence[_Measured]
) -> Iterator[UnitLine]:
    """What each window adds to the units of a refill period, by the included quantity and sizes
    in force last."""
    last = windows[-1]
    part = last.part
    total, before = ZERO, added(units(part, ZERO))
    for each in windows:
        total += each.quantity
        after = added(units(part, total))
        window = each.period.window
        for dimension in {**before, **after}:
            yield UnitLine(
                owed.record.account.code,
                each.period.plan.code,
                dimension,
                subscription.plan_at(window.period.start),
                part.aggregation,
                window.period,
                _home(owed, window.section, window.whole),
                after.get(dimension, ZERO) - before.get(dimension, ZERO),
                each.quantity,
            )
        before = after


def _home(owed: Owed, section: Section, whole: Period) -> Period:
    """The billing period on whose bill a line stands."""
    return whole if owed.payer is None else bill_period(owed.payer, section.timeline, whole)
