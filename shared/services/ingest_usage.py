"""Takes usage events: stored once, parked until usable, or refused with every reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import NamedTuple

from shared.domain.catalog.custom_usage import CUSTOM_METER
from shared.domain.catalog.intake import Intake, Taken
from shared.domain.catalog.timeline import Timeline
from shared.domain.errors import FieldError, Throttled, Unavailable, UpstreamFailure
from shared.domain.ids import AccountCode, Shard
from shared.domain.period import DAY, cell_of
from shared.domain.rating.own_price import fault_of_plans
from shared.domain.usage.event import (
    ACCEPTED_BACK,
    Outcome,
    UsageEvent,
    canonical_payload,
    fault_of_time,
    payload_hash,
)
from shared.ports import (
    Clock,
    EventRow,
    Kept,
    KeptBefore,
    NoRoom,
    ParkAnswer,
    ParkedEvent,
    Parking,
    PartialKey,
)
from shared.services.directory import CatalogCache, Directory, Placement
from shared.services.usage_writer import Entry, Stored, UsageWriter

QUEUE = "usage"

STORABLE = ACCEPTED_BACK + DAY
"""Parked input may be used a day longer than fresh input: after that its day's table may be
gone, and with it the knowledge of what was stored before."""

MAX_PAYLOAD = 16_000
"""Characters of one event's canonical contents; a storage property holds 32,768."""

REUSED_ID = FieldError("/id", "was used before, on the same day, with a different payload")
TOO_LARGE = FieldError("/data", "the event is too large to store")
FOREIGN_ACCOUNT = FieldError("/account", "is not one this caller may report for")
NO_ROOM = {
    NoRoom.ACCOUNT: FieldError(
        "/account",
        "has as many parked events as are kept; this one is not kept: create what they wait for, "
        "then send it again",
    ),
    NoRoom.STRANGERS: FieldError(
        "/account",
        "is unknown, and as many events of unknown accounts are parked as are kept; this one is "
        "not kept: create the account, then send it again",
    ),
}


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of one event; ``errors`` are relative to it.

    ``retry`` when nothing is wrong with an invalid one: there was no room to park it.
    """

    id: str
    outcome: Outcome
    errors: tuple[FieldError, ...] = ()
    retry: bool = False


class _Usable(NamedTuple):
    """What the writer takes; a tuple because every event makes one."""

    shard: Shard
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Early:
    """An event whose account or meter is not there yet."""

    parked: ParkedEvent


type _Judgement = _Usable | _Early | tuple[FieldError, ...]


class IngestUsage:
    """The one way into the usage log, for HTTP, Service Bus and replays alike."""

    def __init__(
        self,
        writer: UsageWriter,
        directory: Directory,
        catalogs: CatalogCache,
        parking: Parking,
        clock: Clock,
    ) -> None:
        self._writer = writer
        self._directory = directory
        self._catalogs = catalogs
        self._parking = parking
        self._clock = clock

    def __call__(
        self,
        events: Sequence[UsageEvent],
        received: datetime | None = None,
        allowed: frozenset[AccountCode] | None = None,
    ) -> list[EventResult]:
        """Store ``events`` and tell each one's outcome, in order.

        ``received`` is when they first arrived, for input that was parked; ``allowed`` are the
        accounts the caller may report for, ``None`` for all. Raises
        ``Throttled`` or ``Unavailable`` when any event could not be stored or parked: nothing
        is lost and nothing doubled when the caller then sends all of them again. For lack of
        room an event is refused alone, so that it holds up none of its neighbours.
        """
        now = self._clock.now()
        arrived = received or now
        timeline = self._catalogs.timeline()
        place = cache(lambda account: self._directory.place(account, now))
        judged = [
            self._judge(event, timeline, arrived, now, place)
            if allowed is None or event.account in allowed
            else (FOREIGN_ACCOUNT,)
            for event in events
        ]
        self._writer.store([j for j in judged if isinstance(j, _Usable)])
        early = [j.parked for j in judged if isinstance(j, _Early)]
        parked = iter(self._parking.park(early) if early else [])
        results: list[EventResult] = []
        for event, judgement in zip(events, judged, strict=True):
            match judgement:
                case _Usable(_, entry):
                    results.append(_stored(event, entry))
                case _Early():
                    results.append(_parked(event, next(parked)))
                case errors:
                    results.append(EventResult(event.id, Outcome.INVALID, errors))
        return results

    def knows(self, account: AccountCode) -> bool:
        """Whether there is an account of that code."""
        return self._directory.place(account, self._clock.now()) is not None

    def again(self, parked: Sequence[ParkedEvent]) -> list[EventResult]:
        """Store the parked events that have become usable, each judged as of its first arrival;
        the others stay parked as they are. Raises like a call."""
        now = self._clock.now()
        timeline = self._catalogs.timeline()
        place = cache(lambda account: self._directory.place(account, now))
        judged = [self._judge(p.event, timeline, p.received, now, place) for p in parked]
        self._writer.store([j for j in judged if isinstance(j, _Usable)])
        results: list[EventResult] = []
        for early, judgement in zip(parked, judged, strict=True):
            match judgement:
                case _Usable(_, entry):
                    results.append(_stored(early.event, entry))
                case _Early():
                    results.append(EventResult(early.event.id, Outcome.PARKED))
                case errors:
                    results.append(EventResult(early.event.id, Outcome.INVALID, errors))
        return results

    def _judge(
        self,
        event: UsageEvent,
        timeline: Timeline | None,
        arrived: datetime,
        now: datetime,
        place: Callable[[AccountCode], Placement | None],
    ) -> _Judgement:
        fault = fault_of_time(event.time, arrived)
        if fault is None and now - event.time > STORABLE:
            fault = "was parked until its day could no longer be billed"
        if fault is not None:
            return (FieldError("/time", fault),)
        payload = canonical_payload(event)
        if len(payload) > MAX_PAYLOAD:
            return (FieldError("/data", f"must fit in {MAX_PAYLOAD} characters"),)
        placement = place(event.account)
        if placement is None:
            reason = f"there is no account {event.account}"
            return _Early(ParkedEvent(event, arrived, reason, stranger=True))
        outside = _outside(event, placement, arrived)
        if outside is not None:
            return (FieldError("/time", outside),)
        intake = timeline.intake(event.meter, event.time) if timeline else None
        if timeline is None or intake is None:
            return _Early(ParkedEvent(event, arrived, f"there is no meter {event.meter}"))
        if event.meter == CUSTOM_METER:
            unbilled = fault_of_plans(placement.plans, timeline, event.time)
            if unbilled is not None:
                return (FieldError("/data/unitPrice", unbilled),)
        taken = intake.take(event.data, placement.customs.at(event.time))
        if not isinstance(taken, Taken):
            return taken
        return _Usable(placement.shard, _entry(event, payload, placement, intake, taken))


def _outside(event: UsageEvent, placement: Placement, arrived: datetime) -> str | None:
    """Why an event cannot be billed to its account's subscription (semantics, rule 22)."""
    if placement.starts is not None and event.time < placement.starts:
        return f"is before the start of the subscription, {placement.starts.isoformat()}"
    if placement.ends is None or placement.closes is None:
        return None
    if event.time >= placement.ends:
        return f"is after the end of the subscription, {placement.ends.isoformat()}"
    if arrived >= placement.closes:
        return (
            f"comes too late: the subscription ended at {placement.ends.isoformat()}, and usage "
            f"of before then was taken until {placement.closes.isoformat()}"
        )
    return None


def _entry(
    event: UsageEvent, payload: str, placement: Placement, intake: Intake, taken: Taken
) -> Entry:
    """The event as it was reported goes into the log, with its derived fields into the partial."""
    row = EventRow(event.account, event.key, payload_hash(payload), event, payload)
    cell = cell_of(event.time, placement.cell_minutes)
    key = PartialKey(AccountCode(event.account), cell, event.meter, taken.segment)
    counted = event if taken.data is event.data else replace(event, data=taken.data)
    return Entry(row, key, counted, intake.unique_fields)


def _stored(event: UsageEvent, entry: Entry) -> EventResult:
    if entry.failure is not None:
        raise _again(entry.failure) from entry.failure
    match entry.stored:
        case Stored.NEW:
            return EventResult(event.id, Outcome.ACCEPTED)
        case Stored.SAME:
            return EventResult(event.id, Outcome.DUPLICATE)
        case Stored.DIFFERENT:
            return EventResult(event.id, Outcome.INVALID, (REUSED_ID,))
        case Stored.TOO_LARGE:
            return EventResult(event.id, Outcome.INVALID, (TOO_LARGE,))
        case None:
            raise AssertionError("the writer returned without deciding an event")


def _again(failure: UpstreamFailure) -> UpstreamFailure:
    """The failure of a transaction that several requests may share, for one of them."""
    if isinstance(failure, Throttled):
        return Throttled(str(failure), failure.retry_after)
    return Unavailable(str(failure))


def _parked(event: UsageEvent, answer: ParkAnswer) -> EventResult:
    match answer:
        case Kept():
            return EventResult(event.id, Outcome.PARKED)
        case KeptBefore(found) if found == payload_hash(canonical_payload(event)):
            return EventResult(event.id, Outcome.PARKED)
        case KeptBefore():
            return EventResult(event.id, Outcome.INVALID, (REUSED_ID,))
        case NoRoom():
            return EventResult(event.id, Outcome.INVALID, (NO_ROOM[answer],), retry=True)
