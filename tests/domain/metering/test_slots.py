"""Which hour a submission is made for: tables, and properties over any life of a subscription."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.slots import MARKETPLACE_WINDOW, SAFETY, choose_slot, final_due
from shared.domain.period import HOUR, hour_of

MINUTE = timedelta(minutes=1)
GRACE = timedelta(hours=1)


def at(text: str) -> datetime:
    """The ``day hour:minute`` of March 2026."""
    return datetime.strptime(f"2026-03-{text}+0000", "%Y-%m-%d %H:%M%z").astimezone(UTC)


def subscription(start: str | None, end: str | None = None) -> Subscription:
    return Subscription(
        SubscriptionId("sub"),
        "contoso-ai",
        (PlanSpell("standard", at(start or "01 00:00")),),
        SubscriptionStatus.SUBSCRIBED if end is None else SubscriptionStatus.UNSUBSCRIBED,
        start=at(start) if start else None,
        end=at(end) if end else None,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """``hour`` is the slot's expected hour, ``None`` for no slot at all."""

    now: str
    hour: str | None
    start: str | None = "01 00:00"
    end: str | None = None
    used: tuple[str, ...] = ()
    effective: str | None = None
    final: bool = False
    grace: timedelta = GRACE


CASES = {
    "the hour before now": Case("02 10:05", "02 09:00"),
    "the last minute of an hour": Case("02 10:59", "02 09:00"),
    "at the full hour": Case("02 10:00", "02 09:00"),
    "used: the one before": Case("02 10:05", "02 08:00", used=("02 09:00",)),
    "a hole between used ones": Case("02 10:05", "02 08:00", used=("02 09:00", "02 07:00")),
    "used before and after": Case("02 10:05", "02 09:00", used=("02 10:00", "02 08:00")),
    "not started": Case("02 10:05", None, start=None),
    "started this hour": Case("02 10:05", None, start="02 10:01"),
    "started inside the hour": Case(
        "02 10:05", "02 09:00", start="02 09:40", effective="02 09:40"
    ),
    "started at the full hour": Case("02 10:05", "02 09:00", start="02 09:00"),
    "started inside the hour, used": Case(
        "02 10:05", None, start="02 09:40", used=("02 09:00",)
    ),
    "only the oldest hour left": Case(
        "02 10:05",
        "01 11:00",
        used=tuple(f"0{d} {h:02}:00" for d, h in [(1, h) for h in range(12, 24)]
                   + [(2, h) for h in range(10)]),
    ),
    "all hours of the day used": Case(
        "02 10:05",
        None,
        used=tuple(f"0{d} {h:02}:00" for d, h in [(1, h) for h in range(11, 24)]
                   + [(2, h) for h in range(10)]),
    ),
    "ended inside an hour: that hour is reserved": Case("02 10:35", "02 08:00", end="02 09:20",
                                                        grace=2 * HOUR),
    "ended inside an hour: after grace": Case("02 10:20", "02 09:00", end="02 09:20", final=True),
    "ended at the full hour: reserved": Case("02 09:30", "02 07:00", end="02 09:00"),
    "ended at the full hour: after grace": Case("02 10:00", "02 08:00", end="02 09:00",
                                                final=True),
    "ended, the last hour was used before": Case("02 11:05", "02 08:00", end="02 09:30",
                                                 used=("02 09:00",), final=True),
    "ended within its first hour": Case("02 09:50", None, start="02 09:05", end="02 09:20"),
    "ended within its first hour: after grace": Case(
        "02 10:20", "02 09:00", start="02 09:05", end="02 09:20", effective="02 09:05", final=True
    ),
    "an end to come reserves its hour": Case("02 10:05", "02 08:00", end="02 09:59"),
    "an end far away reserves nothing": Case("02 10:05", "02 09:00", end="09 09:59"),
    "ended 22 hours ago": Case("03 07:05", "02 09:00", end="02 09:20", final=True),
    "ended, just in time": Case("03 08:45", "02 09:00", end="02 09:20", final=True),
    "ended, too close to expiry": Case("03 08:46", None, end="02 09:20", final=True),
    "ended, too late, but it began within the hour": Case(
        "03 08:46", "02 09:00", start="02 09:05", end="02 09:20", effective="02 09:05", final=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_slot(case: Case) -> None:
    sold = subscription(case.start, case.end)
    slot = choose_slot(sold, at(case.now), [at(hour) for hour in case.used], case.grace)
    if case.hour is None:
        assert slot is None
        return
    assert slot is not None
    assert slot.hour == at(case.hour)
    assert slot.effective_start == at(case.effective or case.hour)
    assert slot.final is case.final


def test_the_slot_bears_the_plan_in_force_at_its_hour() -> None:
    spells = (PlanSpell("standard", at("01 00:00")), PlanSpell("scale", at("02 09:30")))
    sold = replace(subscription("01 00:00"), spells=spells)
    plans = []
    for now in ("02 10:05", "02 11:05"):
        slot = choose_slot(sold, at(now), (), GRACE)
        assert slot is not None
        plans.append(slot.plan)
    assert plans == ["standard", "scale"]


def test_final_due_is_the_end_plus_grace() -> None:
    assert final_due(subscription("01 00:00"), GRACE) is None
    assert final_due(subscription("01 00:00", "02 09:20"), GRACE) == at("02 10:20")


T0 = at("10 00:00")
MOMENTS = st.integers(0, 5 * 24 * 60).map(lambda minutes: T0 + minutes * MINUTE)
HOURS = st.integers(0, 5 * 24).map(lambda hours: T0 + hours * HOUR)


@st.composite
def lives(draw: st.DrawFn) -> Subscription:
    start = draw(MOMENTS)
    end = draw(st.none() | MOMENTS.filter(lambda moment: moment > start))
    return Subscription(
        SubscriptionId("sub"),
        "contoso-ai",
        (PlanSpell("standard", start),),
        SubscriptionStatus.SUBSCRIBED if end is None else SubscriptionStatus.UNSUBSCRIBED,
        start=start,
        end=end,
    )


GRACES = st.integers(0, 20).map(lambda hours: hours * HOUR)


@given(lives(), MOMENTS, st.frozensets(HOURS), GRACES)
def test_a_slot_is_always_one_the_marketplace_takes(
    sold: Subscription, now: datetime, used: frozenset[datetime], grace: timedelta
) -> None:
    slot = choose_slot(sold, now, used, grace)
    if slot is None:
        return
    assert sold.start is not None
    assert slot.hour == hour_of(slot.hour)
    assert slot.hour not in used
    assert slot.effective_start == max(slot.hour, sold.start)
    assert slot.effective_start <= now
    assert now - slot.effective_start <= MARKETPLACE_WINDOW - SAFETY
    assert sold.end is None or slot.effective_start < sold.end
    if not slot.final:
        assert slot.hour + HOUR <= now


@given(lives(), MOMENTS, st.frozensets(HOURS), GRACES)
def test_no_newer_hour_is_passed_over(
    sold: Subscription, now: datetime, used: frozenset[datetime], grace: timedelta
) -> None:
    slot = choose_slot(sold, now, used, grace)
    newest = hour_of(now) - HOUR
    reserved = None
    if sold.end is not None:
        last = hour_of(sold.end - timedelta(microseconds=1))
        reserved = None if now >= sold.end + grace else last
        newest = min(newest, last) if reserved else last
    skipped = newest
    while slot is not None and skipped > slot.hour:
        assert skipped in used or skipped == reserved
        skipped -= HOUR


@given(lives(), MOMENTS, GRACES)
def test_hours_run_out_and_none_is_used_twice(
    sold: Subscription, now: datetime, grace: timedelta
) -> None:
    used: list[datetime] = []
    while (slot := choose_slot(sold, now, used, grace)) is not None:
        used.append(slot.hour)
    assert len(used) == len(set(used)) <= 24
