"""When a dimension's total becomes a submission, and when it waits."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, DimensionId, Resource, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.delta import Intent, left_over, plan_intent, refunded, taken_back
from shared.domain.metering.ledger import REMEMBERED, LedgerKey, LedgerRow
from shared.domain.metering.submission import Submission, SubmissionState
from shared.domain.period import HOUR

NOW = datetime(2026, 3, 2, 10, 5, tzinfo=UTC)
CLOSED = datetime(2026, 3, 2, 9, tzinfo=UTC)
GRACE = timedelta(hours=1)
ROW = LedgerRow(LedgerKey(Resource("sub"), DimensionId("usage_fee")), AccountCode("acme"))

ACTIVE = Subscription(
    SubscriptionId("sub"),
    "contoso-ai",
    (PlanSpell("standard", NOW - 9 * HOUR),),
    SubscriptionStatus.SUBSCRIBED,
    start=NOW - timedelta(days=9),
)


def ended(ago: timedelta) -> Subscription:
    return replace(ACTIVE, status=SubscriptionStatus.UNSUBSCRIBED, end=NOW - ago)


def plan(row: LedgerRow, total: int, sold: Subscription = ACTIVE) -> Intent | None:
    return plan_intent(row, Decimal(total), sold, NOW, GRACE)


def told(rated: int, committed: int) -> LedgerRow:
    return replace(ROW, rated=Decimal(rated), committed=Decimal(committed))


def test_the_first_total_is_submitted_whole() -> None:
    intent = plan(ROW, 40)
    assert intent is not None
    assert intent.submission is not None
    assert intent.row == replace(
        ROW, rated=Decimal(40), committed=Decimal(40), open_hour=CLOSED, used_hours=(CLOSED,)
    )
    sent = intent.submission
    assert (sent.key, sent.hour, sent.plan) == (ROW.key, CLOSED, "standard")
    assert sent.quantity == 40
    assert (sent.state, sent.attempts, sent.final) == (SubmissionState.OPEN, 0, False)


def test_only_the_difference_is_submitted() -> None:
    intent = plan(told(10_000, 7_500), 10_000)
    assert intent is not None
    assert intent.submission is not None
    assert intent.submission.quantity == 2_500
    assert intent.row.committed == 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A total that is noted, and not submitted."""

    row: LedgerRow
    sold: Subscription
    total: int


ALL_USED = tuple(CLOSED - hours * HOUR for hours in range(23, -1, -1))
SUSPENDED = replace(ACTIVE, status=SubscriptionStatus.SUSPENDED)
PENDING = replace(ACTIVE, status=SubscriptionStatus.PENDING, start=None)
WAITING = {
    "a submission is under way": Waiting(replace(told(5, 5), open_hour=CLOSED), ACTIVE, 9),
    "suspended": Waiting(told(5, 5), SUSPENDED, 9),
    "not active yet": Waiting(ROW, PENDING, 9),
    "every hour is used": Waiting(replace(told(5, 5), used_hours=ALL_USED), ACTIVE, 9),
    "overcharged": Waiting(told(9, 9), ACTIVE, 4),
    "overcharged, catching up": Waiting(told(4, 9), ACTIVE, 8),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in WAITING.items()])
def test_a_total_that_waits_is_noted_once(case: Waiting) -> None:
    intent = plan(case.row, case.total, case.sold)
    assert intent == Intent(replace(case.row, rated=Decimal(case.total)), None)
    assert plan(intent.row, case.total, case.sold) is None


def test_no_news_writes_nothing() -> None:
    assert plan(told(9, 9), 9) is None


def test_an_overcharge_is_worked_off_before_anything_is_sent() -> None:
    intent = plan(told(4, 9), 11)
    assert intent is not None
    assert intent.submission is not None
    assert intent.submission.quantity == 2


def test_reinstated_it_sends_what_accrued() -> None:
    suspended = plan(told(5, 5), 30, SUSPENDED)
    assert suspended is not None
    intent = plan(suspended.row, 30)
    assert intent is not None
    assert intent.submission is not None
    assert intent.submission.quantity == 25


def test_inside_the_grace_the_last_hour_stays_free() -> None:
    intent = plan(ROW, 9, ended(timedelta(minutes=30)))
    assert intent is not None
    assert intent.submission is not None
    assert intent.submission.hour == CLOSED - HOUR
    assert not intent.submission.final
    assert not intent.row.flushed


def test_after_the_grace_the_last_hour_takes_the_rest() -> None:
    intent = plan(told(5, 5), 9, ended(timedelta(hours=1)))
    assert intent is not None
    assert intent.submission is not None
    assert intent.submission.hour == CLOSED
    assert intent.submission.quantity == 4
    assert intent.submission.final
    assert intent.row.flushed


def test_after_the_grace_nothing_due_is_noted_as_flushed_once() -> None:
    over = ended(timedelta(hours=1))
    intent = plan(told(9, 9), 9, over)
    assert intent == Intent(replace(told(9, 9), flushed=True), None)
    assert plan(intent.row, 9, over) is None


def test_inside_the_grace_nothing_due_is_not_flushed() -> None:
    assert plan(told(9, 9), 9, ended(timedelta(minutes=59))) is None


def test_a_release_after_the_flush_finds_an_older_hour() -> None:
    """The last hour's submission proved not to be taken; the hour itself stays used."""
    freed = replace(told(9, 5), used_hours=(CLOSED,), flushed=True)
    intent = plan(freed, 9, ended(timedelta(hours=1)))
    assert intent is not None
    assert intent.submission is not None
    assert intent.submission.hour == CLOSED - HOUR


def test_a_day_after_the_end_nothing_can_be_sent() -> None:
    over = ended(timedelta(hours=24))
    intent = plan(told(5, 5), 9, over)
    assert intent == Intent(replace(told(9, 5), flushed=True), None)


def lost(row: LedgerRow, total: int, sold: Subscription, now: datetime) -> Decimal:
    intent = plan_intent(row, Decimal(total), sold, now, GRACE)
    return intent.row.written_off if intent else row.written_off


def test_what_remains_a_day_after_the_end_is_written_off() -> None:
    row, over = told(9, 5), ended(timedelta(hours=24))
    assert lost(row, 9, over, NOW) == 0
    assert lost(row, 9, over, NOW + timedelta(seconds=1)) == 4
    assert lost(replace(row, open_hour=CLOSED), 9, over, NOW + HOUR) == 0
    assert lost(told(5, 9), 5, over, NOW + HOUR) == 0
    assert lost(row, 9, ACTIVE, NOW + HOUR) == 0


def test_what_was_written_off_and_proves_paid_is_written_back() -> None:
    row, over = replace(told(9, 9), written_off=Decimal(4)), ended(timedelta(hours=24))
    assert lost(row, 9, over, NOW + HOUR) == 0


def test_nothing_is_left_over_once_nothing_can_be_sent() -> None:
    over = ended(timedelta(hours=24))
    assert left_over(told(9, 5), Decimal(9), over, NOW)
    assert not left_over(told(9, 9), Decimal(9), over, NOW)
    assert not left_over(told(9, 5), Decimal(9), over, NOW + timedelta(seconds=1))


def test_a_refund_is_taken_off_what_is_committed() -> None:
    row = refunded(told(9, 9), Decimal(4))
    assert row == replace(told(9, 5), refunded=Decimal(4))


def test_used_hours_are_remembered_beyond_the_window() -> None:
    old = replace(ROW, used_hours=(CLOSED - REMEMBERED - HOUR, CLOSED - REMEMBERED))
    assert old.remembering(CLOSED) == (CLOSED - REMEMBERED, CLOSED)
    assert old.remembering(CLOSED - 30 * HOUR)[0] == CLOSED - 30 * HOUR


SOLD = st.sampled_from([ACTIVE, SUSPENDED, PENDING, ended(HOUR / 2), ended(2 * HOUR)])
UNITS = st.integers(0, 50)


@given(
    SOLD,
    UNITS,
    UNITS,
    UNITS,
    st.booleans(),
    st.frozensets(st.sampled_from(ALL_USED)),
)
def test_laws_of_an_intent(
    sold: Subscription,
    rated: int,
    committed: int,
    total: int,
    under_way: bool,
    used: frozenset[datetime],
) -> None:
    row = replace(
        told(rated, committed),
        open_hour=CLOSED if under_way else None,
        used_hours=tuple(sorted(used)),
    )
    intent = plan(row, total, sold)
    if intent is None:
        return
    assert intent.row != row
    assert intent.row.rated == total
    assert set(row.used_hours) <= set(intent.row.used_hours)
    sent = intent.submission
    if sent is None:
        assert intent.row.committed == committed
        assert intent.row.open_hour == row.open_hour
        return
    assert not under_way
    assert sold.status in (SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.UNSUBSCRIBED)
    assert intent.row.committed == committed + sent.quantity == total
    assert sent.quantity > 0
    assert sent.hour == intent.row.open_hour
    assert sent.hour not in used
    assert plan(intent.row, total, sold) in (None, Intent(replace(intent.row, flushed=True), None))


HELD = Submission(
    ROW.key, ROW.account, CLOSED, CLOSED, "standard", Decimal(30), SubmissionState.HELD
)
TAKEN = replace(told(100, 100), open_hour=CLOSED, used_hours=(CLOSED,))


def test_a_refused_hour_after_the_end_is_taken_back_and_another_serves() -> None:
    sold = ended(3 * HOUR)
    back = taken_back(TAKEN, HELD, sold)
    assert back is not None
    assert back.submission is not None
    assert back.submission.state is SubmissionState.RELEASED
    assert back.row == replace(told(100, 70), used_hours=(CLOSED,))
    again = plan(back.row, 100, sold)
    assert again is not None
    assert again.submission is not None
    assert again.submission.hour < CLOSED - HOUR
    assert again.submission.quantity == 30


def test_a_refused_hour_of_another_plan_is_taken_back_and_one_of_its_own_serves() -> None:
    """The change of plan was learnt after the submission had been made."""
    key = replace(ROW.key, plan="standard")
    row, held = replace(TAKEN, key=key), replace(HELD, key=key)
    spells = (PlanSpell("standard", NOW - 9 * HOUR), PlanSpell("scale", CLOSED - HOUR / 2))
    sold = replace(ACTIVE, spells=spells)
    back = taken_back(row, held, sold)
    assert back is not None
    again = plan(back.row, 100, sold)
    assert again is not None
    assert again.submission is not None
    assert (again.submission.hour, again.submission.plan) == (CLOSED - HOUR, "standard")


@pytest.mark.parametrize(
    ("row", "held", "sold"),
    [
        pytest.param(TAKEN, HELD, ACTIVE, id="no end"),
        pytest.param(TAKEN, HELD, ended(HOUR / 2), id="an hour before the end"),
        pytest.param(TAKEN, replace(HELD, attempts=1), ended(3 * HOUR), id="in doubt"),
        pytest.param(TAKEN, replace(HELD, state=SubmissionState.OPEN), ended(3 * HOUR), id="open"),
        pytest.param(told(100, 100), HELD, ended(3 * HOUR), id="not the row's"),
    ],
)
def test_what_is_not_taken_back(row: LedgerRow, held: Submission, sold: Subscription) -> None:
    assert taken_back(row, held, sold) is None
