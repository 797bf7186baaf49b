"""The delta: what the Marketplace has not been told yet, as a submission to make."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.lifecycle.subscription import Subscription, SubscriptionStatus
from shared.domain.metering.ledger import LedgerRow
from shared.domain.metering.slots import MARKETPLACE_WINDOW, choose_slot, final_due
from shared.domain.metering.submission import Submission, SubmissionState
from shared.domain.money import ZERO
from shared.domain.period import hour_of


@dataclass(frozen=True, slots=True)
class Intent:
    """A ledger row and the submission that its change stands for: written together or not."""

    row: LedgerRow
    submission: Submission | None


def plan_intent(
    row: LedgerRow,
    total: Decimal,
    subscription: Subscription,
    now: datetime,
    grace: timedelta,
) -> Intent | None:
    """What to write for a dimension whose total is now ``total`` units; ``None``: nothing.

    A submission is made when the total exceeds what is committed, nothing is under way for
    the row, the subscription may be charged, and an hour is free. Otherwise only the new
    ``rated`` is noted. A total below what is committed is worked off: nothing is sent until
    usage catches up (semantics, rule 21).
    """
    noted = replace(row, rated=total, written_off=_lost(row, total, subscription, now))
    delta = total - row.committed
    unchanged = None if noted == row else Intent(noted, None)
    if delta <= 0:
        return _flushed(noted, subscription, now, grace) or unchanged
    if row.open_hour is not None or not _chargeable(subscription):
        return unchanged
    slot = choose_slot(subscription, now, row.used_hours, grace, row.key.plan)
    if slot is None:
        return _flushed(noted, subscription, now, grace) or unchanged
    submission = Submission(
        key=row.key,
        account=row.account,
        hour=slot.hour,
        effective_start=slot.effective_start,
        plan=slot.plan,
        quantity=delta,
        final=slot.final,
    )
    intended = replace(
        noted,
        committed=row.committed + delta,
        open_hour=slot.hour,
        used_hours=row.remembering(slot.hour),
        flushed=row.flushed or slot.final,
    )
    return Intent(intended, submission)


def taken_back(row: LedgerRow, held: Submission, subscription: Subscription) -> Intent | None:
    """Row and submission without a refused attempt for an hour after the end, or one in which
    another plan was in force; else ``None``.

    It was made while that was not known, and the Marketplace will never take it; what it was for
    can go into an hour that it takes. Only where no attempt is in doubt.
    """
    refused = held.state is SubmissionState.HELD and held.attempts == 0
    if not refused or row.open_hour != held.hour or not _misplaced(held, subscription):
        return None
    freed = replace(row, committed=row.committed - held.quantity, open_hour=None)
    released = replace(held, state=SubmissionState.RELEASED, billed=ZERO, not_before=None)
    return Intent(freed, released)


def _misplaced(held: Submission, subscription: Subscription) -> bool:
    last = subscription.last_moment
    after_the_end = last is not None and held.hour > hour_of(last)
    return after_the_end or subscription.plan_at(held.effective_start) != held.plan


def left_over(row: LedgerRow, total: Decimal, subscription: Subscription, now: datetime) -> bool:
    """Whether something remains that can still be charged in a later hour."""
    return total > row.committed and not _closed(row, subscription, now)


def _chargeable(subscription: Subscription) -> bool:
    """Subscribed, or ended: hours before the end are still taken for a day."""
    return subscription.status in (SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.UNSUBSCRIBED)


def _closed(row: LedgerRow, subscription: Subscription, now: datetime) -> bool:
    """Whether the Marketplace takes nothing of the row any more: the subscription is over, or
    the plan that prices its units is."""
    ends = [subscription.end]
    if row.key.plan is not None:
        ends.append(subscription.plan_end(row.key.plan))
    return any(end is not None and now - end > MARKETPLACE_WINDOW for end in ends)


def _flushed(
    row: LedgerRow, subscription: Subscription, now: datetime, grace: timedelta
) -> Intent | None:
    due = final_due(subscription, grace)
    if row.flushed or due is None or now < due:
        return None
    return Intent(replace(row, flushed=True), None)


def _lost(row: LedgerRow, total: Decimal, subscription: Subscription, now: datetime) -> Decimal:
    """Units that can no longer be charged, once nothing of the row is under way."""
    if not _closed(row, subscription, now) or row.open_hour is not None:
        return ZERO
    return max(ZERO, total - row.committed)


def refunded(row: LedgerRow, units: Decimal) -> LedgerRow:
    """The row after Microsoft gave ``units`` back: the ledger again says what was really paid."""
    return replace(row, committed=row.committed - units, refunded=row.refunded + units)
