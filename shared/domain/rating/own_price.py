"""Custom usage on bills: a line for each unit and currency, at the price its events named."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from shared.domain.account import AccountPlan
from shared.domain.catalog.billing import AmountBilling
from shared.domain.catalog.custom_usage import (
    AMOUNT,
    BILLABLE,
    CURRENCY,
    CUSTOM_USAGE,
    DESCRIPTION,
    QUANTITY,
    UNIT,
)
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.segment import Segment, SegmentKey, values_of
from shared.domain.catalog.timeline import END, Timeline
from shared.domain.money import CONTEXT, ONE, ZERO
from shared.domain.period import Period
from shared.domain.rating.bill import LineItem
from shared.domain.rating.conversion import exchange_rate
from shared.domain.rating.custom import Custom, CustomInput
from shared.domain.rating.discount import LineTerms, price_line
from shared.domain.rating.proration import local_day
from shared.domain.rating.windows import Window
from shared.domain.usage.gathered import Gathered

CUSTOM = Custom()


def fault_of_plans(
    plans: Iterable[AccountPlan], timeline: Timeline, moment: datetime
) -> str | None:
    """Why an account with ``plans`` cannot be billed for custom usage of ``moment`` (rule 28).

    ``None`` also while it has no plan: one may be attached later.
    """
    attached = [plan for plan in plans if plan.start <= moment < (plan.end or END)]
    billing = [
        span.plan.billing
        for plan in attached
        if timeline.knows(plan.plan)
        for span in timeline.spans(plan.plan)
        if span.start <= moment < span.end
    ]
    if not billing or any(isinstance(each, AmountBilling) for each in billing):
        return None
    return (
        f"cannot be billed: plan {attached[0].plan} is billed by quantity, and usage that names "
        "its own price needs a plan billed by amount"
    )


def custom_lines(
    window: Window, parts: Mapping[SegmentKey, Gathered], terms: LineTerms, *, ended: bool
) -> Iterator[LineItem]:
    """The lines of custom usage in a window, in the order of their units.

    An amount in another currency is converted exactly, at the rate in force at the start of the
    billing period, or at the first one after it where there was none yet (rule 14b). What is not
    billable, or lies in a free trial, is shown and costs nothing (rules 14 and 29). Raises
    ``InvalidInput`` without a rate.
    """
    for key in sorted(parts):
        values = {name: value or "" for name, value in values_of(key).items()}
        usage = _usage(parts[key], _rate(window, values[CURRENCY]))
        priced = price_line(CUSTOM, usage, terms, closing=ended)
        free = window.free or values[BILLABLE] == "false"
        yield LineItem(
            CUSTOM_USAGE,
            usage.description or "Custom usage",
            values[UNIT],
            usage.quantity,
            ZERO if free else priced.amount,
            () if free else priced.base.bands,
            _segment(window, values),
            None if free else priced,
            at=usage.at,
        )


def _rate(window: Window, currency: str) -> Decimal:
    """The rate at the start of the billing period, else the first that comes into force after it:
    an event is taken in any currency that the catalogue has a rate for, of whatever day."""
    pair = (currency, window.plan.currency)
    days = _days(window, pair)
    for day, organization in days:
        if all(organization.rate_on(each, day) is not None for each in pair):
            return exchange_rate(organization, *pair, day)
    day, organization = days[0]
    return exchange_rate(organization, *pair, day)


def _days(window: Window, currencies: Collection[str]) -> list[tuple[date, Organization]]:
    """The first day of the billing period, then every later one on which a rate may come into
    force by a version of the catalogue that holds before the window ends, newest versions first."""
    zone = window.section.zone
    span = Period(window.whole.start, window.period.end)
    days: list[tuple[date, Organization]] = []
    for moment, catalog in reversed(window.section.timeline.during(span)):
        first, organization = local_day(moment, zone), catalog.organization
        rates = [rate for rate in organization.exchange_rates if rate.currency in currencies]
        later = (rate.from_ for rate in rates if rate.from_ > first)
        days += [(day, organization) for day in (first, *later)]
    return sorted(days, key=lambda each: each[0])


def _usage(partial: Gathered, rate: Decimal) -> CustomInput:
    quantity, amount = partial.fields[QUANTITY], partial.fields[AMOUNT]
    told = partial.fields[DESCRIPTION].first
    if told is None:
        raise AssertionError("custom usage was kept without its first event")
    (time, *_), description = told
    exact = amount.total if rate == ONE else CONTEXT.multiply(amount.total, rate)
    return CustomInput(quantity.total, exact, str(description), datetime.fromisoformat(time))


def _segment(window: Window, values: Mapping[str, str]) -> Segment | None:
    """What sets a line apart from others of its unit."""
    shown = {
        CURRENCY: "" if values[CURRENCY] == window.plan.currency else values[CURRENCY],
        BILLABLE: "" if values[BILLABLE] == "true" else "no",
    }
    return {name: value for name, value in shown.items() if value} or None
