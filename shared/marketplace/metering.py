"""The metering service API: usage is reported in batches, and every item gets an answer."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, assert_never

from shared.domain.errors import Rejected, Throttled, Unavailable
from shared.domain.ids import DimensionId, Resource
from shared.domain.metering.reconciliation import ReportedUsage
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Expired,
    Refused,
    Submission,
    Unknown,
)
from shared.domain.money import ZERO
from shared.domain.period import hour_of
from shared.marketplace import convert
from shared.marketplace.transport import Busy, NoAnswer, NotSent, Refusal, Success, Transport

MAX_BATCH: Final = 25
"""Events a call takes (marketplace-metering-service-apis)."""

_PATH: Final = "/api/batchUsageEvent"
_REPORT: Final = "/api/usageEvents"

_MALFORMED: Final = 400

_NOT_RECORDED: Final = frozenset({400, 401, 403})
"""Statuses of a whole call that say for certain that none of it was recorded; so does 429."""

_REFUSALS: Final = frozenset(
    {
        "ResourceNotFound",
        "ResourceNotAuthorized",
        "ResourceNotActive",
        "InvalidDimension",
        "InvalidQuantity",
        "BadArgument",
    }
)
_WORD: Final = re.compile(r"[A-Za-z]{1,40}")

type Slot = tuple[str, str, datetime]
"""Resource, dimension and UTC hour: what the Marketplace takes once."""


class MarketplaceMetering:
    """The port ``Metering`` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, submissions: Sequence[Submission]) -> list[Answer]:
        """Report up to 25 submissions in one call; one answer each, in order.

        What cannot be sent as it is (a quantity with too many digits, an hour that stands in
        the batch twice) is refused here without harm to the others. Raises ``ValueError`` for
        more than 25.
        """
        if len(submissions) > MAX_BATCH:
            raise ValueError(f"a call takes at most {MAX_BATCH} submissions")
        answers: dict[int, Answer] = {}
        sendable: dict[Slot, int] = {}
        for index, submission in enumerate(submissions):
            slot = slot_of(submission)
            fault = convert.fault_of_quantity(submission.quantity)
            if slot in sendable:
                fault = "the hour stands in the batch twice"
            if fault is None:
                sendable[slot] = index
            else:
                answers[index] = Refused(fault)
        if sendable:
            answered = self._call([submissions[index] for index in sendable.values()])
            answers |= {index: answered[slot] for slot, index in sendable.items()}
        return [answers[index] for index in range(len(submissions))]

    def usage_of(self, day: date) -> list[ReportedUsage]:
        """The Marketplace's own sums of a UTC day (``GET usageEvents``), accepted units only.

        Raises ``Throttled``, ``Unavailable`` or ``Rejected``.
        """
        span = {
            "usageStartDate": day.isoformat(),
            "UsageEndDate": (day + timedelta(days=1)).isoformat(),
        }
        outcome = self._transport.call("GET", _REPORT, params=span)
        match outcome:
            case Success(body):
                return _sums(body, day)
            case Refusal(status):
                raise Rejected(f"the usage report was refused with {status}", status)
            case Busy(retry_after):
                raise Throttled("the Marketplace is busy", retry_after)
            case NotSent(reason) | NoAnswer(reason):
                raise Unavailable(f"the usage report did not come: {reason}")
            case _:
                assert_never(outcome)

    def _call(self, submissions: list[Submission]) -> dict[Slot, Answer]:
        outcome = self._transport.call("POST", _PATH, body=convert.usage_json(submissions))
        slots = [slot_of(submission) for submission in submissions]
        match outcome:
            case Success(body):
                found = _answers(body)
                return {slot: found.get(slot, Unknown("no answer")) for slot in slots}
            case Refusal(status) if status in _NOT_RECORDED:
                answer: Answer = Refused(f"HTTP {status}", malformed_call=status == _MALFORMED)
            case Refusal(status):
                answer = Unknown(f"HTTP {status}")
            case Busy():
                answer = Refused("HTTP 429")
            case NotSent(reason):
                answer = Refused(f"not sent: {reason}")
            case NoAnswer(reason):
                answer = Unknown(reason)
            case _:
                assert_never(outcome)
        return dict.fromkeys(slots, answer)


def slot_of(submission: Submission) -> Slot:
    """The resource, dimension and hour that a submission occupies."""
    key = submission.key
    return key.resource.lower(), key.dimension, hour_of(submission.effective_start)


def _answers(body: object) -> dict[Slot, Answer]:
    """The answers of a batch by slot; the order of items says nothing.

    An item that names no slot belongs to nobody. Two different answers for one slot contradict
    each other, so the outcome is unknown.
    """
    result = convert.mapping(body).get("result")
    found: dict[Slot, Answer] = {}
    for value in result if isinstance(result, list) else []:
        item = convert.mapping(value)
        slots = _echoed(item)
        answer = _answer(item, slots)
        for slot in slots:
            if found.setdefault(slot, answer) != answer:
                found[slot] = Unknown("contradictory answers")
    return found


def _echoed(item: Mapping[str, object]) -> set[Slot]:
    """The slots an item may speak of: managed applications can be echoed with both ids."""
    start = convert.time_of(item.get("effectiveStartTime"))
    if start is None:
        return set()
    dimension = convert.text_of(item.get("dimension"))
    names = (convert.text_of(item.get(name)) for name in ("resourceId", "resourceUri"))
    return {(name.lower(), dimension, hour_of(start)) for name in names if name}


def _answer(item: Mapping[str, object], slots: set[Slot]) -> Answer:
    match item.get("status"):
        case "Accepted":
            quantity = _quantity(item)
            if quantity is None:
                return Unknown("accepted without a quantity")
            return Accepted(quantity, convert.text_of(item.get("usageEventId")))
        case "Duplicate":
            return _duplicate(item, slots)
        case "Expired":
            return Expired()
        case str(status) if status in _REFUSALS:
            return Refused(status)
        case str(status) if _WORD.fullmatch(status):
            return Unknown(f"status {status}")
        case _:
            return Unknown("no status")


def _duplicate(item: Mapping[str, object], slots: set[Slot]) -> Answer:
    """The hour is taken; what counts is the quantity of the message that was accepted."""
    additional = convert.mapping(convert.mapping(item.get("error")).get("additionalInfo"))
    held = convert.mapping(additional.get("acceptedMessage"))
    quantity = _quantity(held)
    if quantity is None:
        return Unknown("duplicate without a quantity")
    about = _echoed(held)
    if about and not about & slots:
        return Unknown("duplicate of another hour")
    return Duplicate(quantity, convert.text_of(held.get("usageEventId")))


def _quantity(item: Mapping[str, object]) -> Decimal | None:
    quantity = convert.decimal_of(item.get("quantity"))
    return quantity if quantity is not None and quantity > 0 else None


def _sums(body: object, day: date) -> list[ReportedUsage]:
    """Accepted units by resource and dimension.

    A row that is neither accepted nor rejected (Submitted, Mismatch) may still become so: its sum
    is not final. Raises ``Unavailable`` for an unreadable report: leaving out a row would pass
    for usage that was not accepted.
    """
    if not isinstance(body, list):
        raise Unavailable("the usage report is not readable")
    sums: dict[tuple[Resource, DimensionId], Decimal] = {}
    undecided: set[tuple[Resource, DimensionId]] = set()
    for value in body:
        row = convert.mapping(value)
        at = convert.time_of(row.get("usageDate"))
        resource = convert.text_of(row.get("usageResourceId")).lower()
        quantity = convert.decimal_of(row.get("processedQuantity"))
        if at is None or not resource or quantity is None:
            raise Unavailable("a row of the usage report is not readable")
        if at.date() != day:
            continue
        key = (Resource(resource), DimensionId(convert.text_of(row.get("dimension"))))
        status = row.get("reconStatus")
        sums.setdefault(key, ZERO)
        if status == "Accepted":
            sums[key] += quantity
        elif status != "Rejected":
            undecided.add(key)
    return [
        ReportedUsage(*key, day, total, final=key not in undecided) for key, total in sums.items()
    ]
