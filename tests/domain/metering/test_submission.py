"""Every answer of the Marketplace, with and without an earlier attempt in doubt."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, DimensionId, Resource
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Expired,
    Refused,
    Submission,
    SubmissionState,
    Unknown,
    settle,
)

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
RETRY = HOUR + timedelta(hours=2)
SENT = Decimal(40)

OPEN = Submission(
    LedgerKey(Resource("res"), DimensionId("usage_fee")),
    AccountCode("acme"),
    HOUR,
    HOUR,
    "standard",
    SENT,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the design's table: the same answer to a first and to a later attempt."""

    answer: Answer
    first: SubmissionState
    later: SubmissionState
    first_committed: int
    later_committed: int
    billed: int | None = None


S = SubmissionState
TABLE = {
    "accepted": Row(Accepted(SENT, "e1"), S.ACCEPTED, S.ACCEPTED, 0, 0, 40),
    "duplicate-same": Row(Duplicate(SENT, "e1"), S.ACCEPTED, S.ACCEPTED, 0, 0, 40),
    "duplicate-less": Row(Duplicate(Decimal(15)), S.ACCEPTED, S.ACCEPTED, -25, -25, 15),
    "duplicate-more": Row(Duplicate(Decimal(45)), S.ACCEPTED, S.ACCEPTED, 5, 5, 45),
    "refused": Row(Refused("HTTP 429"), S.HELD, S.HELD, 0, 0),
    "unknown": Row(Unknown("timeout"), S.OPEN, S.OPEN, 0, 0),
    "expired": Row(Expired(), S.RELEASED, S.UNCERTAIN, -40, 0),
}
ROWS = [pytest.param(row, id=name) for name, row in TABLE.items()]
UNDER_WAY = [S.OPEN, S.HELD]


@pytest.mark.parametrize("state", UNDER_WAY)
@pytest.mark.parametrize("row", ROWS)
def test_answer_to_a_first_attempt(row: Row, state: SubmissionState) -> None:
    settled = settle(replace(OPEN, attempts=1, state=state), row.answer, RETRY)
    assert settled.submission.state is row.first
    assert settled.committed == row.first_committed


@pytest.mark.parametrize("attempts", [2, 7])
@pytest.mark.parametrize("row", ROWS)
def test_answer_with_an_earlier_attempt_in_doubt(row: Row, attempts: int) -> None:
    settled = settle(replace(OPEN, attempts=attempts), row.answer, RETRY)
    assert settled.submission.state is row.later
    assert settled.committed == row.later_committed


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("row", [row for row in ROWS if row.values[0].billed is not None])  # type: ignore[union-attr]  # a parameter set holds objects
def test_what_the_marketplace_holds_is_kept(row: Row, attempts: int) -> None:
    held = replace(OPEN, attempts=attempts, reason="HTTP 500", not_before=RETRY, state=S.HELD)
    submission = settle(held, row.answer, RETRY).submission
    assert submission.billed == row.billed
    assert submission.reason == ""
    assert submission.not_before is None


def test_the_event_id_is_kept() -> None:
    settled = settle(replace(OPEN, attempts=1), Accepted(SENT, "e1"), RETRY)
    assert settled.submission.usage_event_id == "e1"


def test_a_refused_first_attempt_is_withdrawn_and_waits() -> None:
    refused = settle(replace(OPEN, attempts=1), Refused("InvalidDimension"), RETRY).submission
    assert (refused.attempts, refused.reason, refused.not_before) == (0, "InvalidDimension", RETRY)


def test_a_refusal_withdraws_no_earlier_attempt() -> None:
    refused = settle(replace(OPEN, attempts=3), Refused("HTTP 403"), RETRY).submission
    assert (refused.attempts, refused.not_before) == (3, RETRY)


def test_refused_then_expired_is_released() -> None:
    refused = settle(replace(OPEN, attempts=1), Refused("HTTP 403"), RETRY).submission
    again = replace(refused, attempts=refused.attempts + 1)
    released = settle(again, Expired(), RETRY)
    assert released.submission.state is S.RELEASED
    assert released.submission.billed == 0
    assert released.committed == -SENT


def test_unknown_then_refused_then_expired_is_uncertain() -> None:
    unknown = settle(replace(OPEN, attempts=1), Unknown("timeout"), RETRY).submission
    refused = settle(replace(unknown, attempts=2), Refused("HTTP 403"), RETRY).submission
    expired = settle(replace(refused, attempts=3), Expired(), RETRY)
    assert expired.submission.state is S.UNCERTAIN
    assert expired.submission.billed is None
    assert expired.committed == 0


ANSWERS = st.one_of(
    st.builds(Accepted, st.just(SENT)),
    st.builds(Duplicate, st.integers(0, 99).map(Decimal)),
    st.builds(Expired),
    st.builds(Refused, st.just("no")),
    st.builds(Unknown, st.just("lost")),
)


@given(st.lists(ANSWERS, max_size=6))
def test_frozen_facts_stay_and_commitment_follows_the_state(answers: list[Answer]) -> None:
    submission, committed, doubtful = OPEN, SENT, False
    for answer in answers:
        submission = replace(submission, attempts=submission.attempts + 1)
        settled = settle(submission, answer, RETRY)
        submission, committed = settled.submission, committed + settled.committed
        assert (submission.key, submission.hour, submission.quantity) == (OPEN.key, HOUR, SENT)
        doubtful |= isinstance(answer, Unknown)
        match submission.state:
            case S.OPEN | S.HELD | S.UNCERTAIN:
                assert committed == SENT
            case S.RELEASED:
                assert committed == 0
                assert not doubtful
            case _:
                assert committed == submission.billed
        assert submission.state is not S.UNCERTAIN or doubtful
        if not submission.state.under_way:
            break
