"""A submission: one resource, dimension and hour sent to the Marketplace, and its fate.

The table of answers is DESIGN's heart: see ``settle``. Source of the statuses: Microsoft's page
``marketplace-metering-service-apis``.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from shared.domain.ids import AccountCode
from shared.domain.metering.ledger import LedgerKey
from shared.domain.money import ZERO


class SubmissionState(StrEnum):
    """Where a submission is. OPEN and HELD are under way, UNCERTAIN waits for the daily
    usage report, the others are final."""

    OPEN = "open"
    HELD = "held"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    RELEASED = "released"
    SETTLED = "settled"

    @property
    def under_way(self) -> bool:
        """Whether it is still to be sent."""
        return self in (SubmissionState.OPEN, SubmissionState.HELD)

    @property
    def unsettled(self) -> bool:
        """Whether its fate is open: under way or uncertain."""
        return self.under_way or self is SubmissionState.UNCERTAIN


@dataclass(frozen=True, slots=True)
class Submission:
    """Frozen facts (key, hour, quantity, plan) and the state that answers move.

    ``attempts`` counts sends whose outcome may be unknown; it is written before each send.
    ``billed`` is what the Marketplace holds for the hour, once known. For an uncertain one
    ``reported`` is the sum of its day in the usage report, read at ``reported_at``.
    """

    key: LedgerKey
    account: AccountCode
    hour: datetime
    effective_start: datetime
    plan: str
    quantity: Decimal
    state: SubmissionState = SubmissionState.OPEN
    attempts: int = 0
    billed: Decimal | None = None
    reason: str = ""
    not_before: datetime | None = None
    usage_event_id: str = ""
    final: bool = False
    reported: Decimal | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The Marketplace recorded ``quantity`` units for the hour."""

    quantity: Decimal
    usage_event_id: str = ""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The hour was taken before; the Marketplace holds ``quantity`` units for it."""

    quantity: Decimal
    usage_event_id: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """The hour is no longer taken. An earlier acceptance may hide behind this answer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """This attempt was certainly not recorded: a status of its own, or of the whole call.

    ``malformed_call`` says that the call was refused for its form, for which a single one of
    its items may be to blame.
    """

    reason: str
    malformed_call: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer for this item: time-out, 5xx, dropped connection, missing from the batch."""

    reason: str


type Answer = Accepted | Duplicate | Expired | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an answer makes of a submission; ``committed`` is added to the ledger's."""

    submission: Submission
    committed: Decimal = ZERO


def settle(submission: Submission, answer: Answer, retry_at: datetime) -> Settlement:
    """Apply an answer to a submission under way; a final submission is never passed here.

    ``submission.attempts`` includes the attempt that was answered. With no earlier attempt in
    doubt (``attempts`` is 1) a refusal withdraws it and Expired proves that nothing was taken;
    otherwise neither proves anything about the earlier ones. Refused items are retried at
    ``retry_at``.
    """
    first = submission.attempts <= 1
    match answer:
        case Accepted(quantity, event) | Duplicate(quantity, event):
            accepted = replace(
                submission,
                state=SubmissionState.ACCEPTED,
                billed=quantity,
                usage_event_id=event,
                reason="",
                not_before=None,
            )
            return Settlement(accepted, quantity - submission.quantity)
        case Expired():
            if first:
                released = replace(
                    submission, state=SubmissionState.RELEASED, billed=ZERO, not_before=None
                )
                return Settlement(released, -submission.quantity)
            return Settlement(replace(submission, state=SubmissionState.UNCERTAIN, not_before=None))
        case Refused(reason, _):
            held = replace(
                submission,
                state=SubmissionState.HELD,
                attempts=0 if first else submission.attempts,
                reason=reason,
                not_before=retry_at,
            )
            return Settlement(held)
        case Unknown(reason):
            return Settlement(replace(submission, state=SubmissionState.OPEN, reason=reason))
        case _:
            assert_never(answer)
