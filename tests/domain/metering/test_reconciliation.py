"""What the Marketplace's sum of a day proves."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, DimensionId, Resource
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.reconciliation import Verdict, compare, day_expired, settle_day
from shared.domain.metering.submission import Submission, SubmissionState
from shared.domain.period import HOUR

DAY = datetime(2026, 3, 2, tzinfo=UTC)
KEY = LedgerKey(Resource("sub"), DimensionId("usage_fee"))
S = SubmissionState


def submission(hour: int, state: SubmissionState, quantity: int = 10) -> Submission:
    at = DAY + hour * HOUR
    made = Submission(KEY, AccountCode("acme"), at, at, "standard", Decimal(quantity), state)
    billed = {S.ACCEPTED: Decimal(quantity), S.RELEASED: Decimal(0)}.get(state)
    return replace(made, billed=billed)


@pytest.mark.parametrize(
    ("hours", "expired"), [(24, False), (48, False), (48.99, False), (49, True), (90, True)]
)
def test_a_day_has_expired_when_its_last_hour_has(hours: float, expired: bool) -> None:
    assert day_expired(DAY.date(), DAY + timedelta(hours=hours)) is expired


@pytest.mark.parametrize(("reported", "committed"), [(10, -10), (20, 0), (13, -7), (45, 25)])
def test_what_is_beyond_the_known_belongs_to_the_uncertain_one(
    reported: int, committed: int
) -> None:
    made = [submission(1, S.ACCEPTED), submission(2, S.UNCERTAIN), submission(3, S.RELEASED)]
    (settled,) = settle_day(made, Decimal(reported))
    assert settled.submission.state is S.SETTLED
    assert settled.submission.billed == reported - 10
    assert settled.committed == committed


def test_several_uncertain_ones_settle_jointly() -> None:
    made = [submission(hour, S.UNCERTAIN) for hour in (1, 2, 3)]
    settled = settle_day(made, Decimal(20))
    assert [s.submission.billed for s in settled] == [20, 0, 0]
    assert sum(s.committed for s in settled) == 20 - 30


@pytest.mark.parametrize("state", [S.OPEN, S.HELD])
def test_nothing_settles_beside_one_under_way(state: SubmissionState) -> None:
    assert settle_day([submission(1, S.UNCERTAIN), submission(2, state)], Decimal(10)) == ()


def test_a_report_that_lacks_what_is_known_settles_nothing() -> None:
    assert settle_day([submission(1, S.UNCERTAIN), submission(2, S.ACCEPTED)], Decimal(9)) == ()


def test_without_doubt_nothing_settles() -> None:
    assert settle_day([submission(1, S.ACCEPTED)], Decimal(99)) == ()


def test_what_was_settled_is_known_from_then_on() -> None:
    made = [submission(hour, S.UNCERTAIN) for hour in (1, 2)]
    first = [s.submission for s in settle_day(made, Decimal(15))]
    (later,) = settle_day([*first, submission(3, S.UNCERTAIN)], Decimal(18))
    assert later.submission.billed == 3


STATES = st.sampled_from([S.ACCEPTED, S.RELEASED, S.UNCERTAIN])


@given(st.lists(STATES, max_size=8), st.integers(0, 200))
def test_after_settling_the_ledger_says_what_was_reported(
    states: list[SubmissionState], reported: int
) -> None:
    made = [submission(hour, state) for hour, state in enumerate(states)]
    settled = settle_day(made, Decimal(reported))
    if settled:
        hours = {s.submission.hour for s in settled}
        known = [s.submission for s in settled] + [m for m in made if m.hour not in hours]
        assert sum(m.billed or 0 for m in known) == reported


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (5, 5, Verdict.MATCHED),
        (0, 0, Verdict.MATCHED),
        (5, 0, Verdict.MISSING),
        (0, 5, Verdict.FOREIGN),
        (5, 4, Verdict.MISMATCHED),
    ],
)
def test_verdicts(ours: int, theirs: int, verdict: Verdict) -> None:
    day = date(2026, 3, 2)
    found = compare(KEY.resource, KEY.dimension, day, Decimal(ours), Decimal(theirs))
    assert found.verdict is verdict
