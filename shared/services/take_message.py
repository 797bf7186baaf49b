"""Takes usage from the queue: what is good is stored, what is not is kept with its reasons."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.errors import FieldError, MeteringError, Throttled
from shared.domain.usage.event import Outcome, UsageEvent
from shared.ports import Clock, Message, Messages, Refusals, RefusedInput
from shared.services.ingest_usage import QUEUE, IngestUsage

LONGEST_WAIT = 60.0
"""Seconds; the queue's lock on a message ends after two minutes."""

MESSAGE_BYTES = 200_000
"""Of a message that we make; the queue takes 256 KiB with everything around it."""

ROOM_AFTER = timedelta(hours=1)
"""When events without room are tried again: a replay, which makes room, comes every hour."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message, or one event of it, that is no usage event; ``body`` is its JSON text."""

    body: str
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An event with the text it came in, so that a refusal can show it."""

    event: UsageEvent
    body: str


@dataclass(frozen=True, slots=True)
class TakeMessage:
    """The queue has no caller to answer, so every refusal is kept before a message completes.

    ``sleep`` waits for some seconds.
    """

    ingest: IngestUsage
    refusals: Refusals
    messages: Messages
    clock: Clock
    sleep: Callable[[float], None]

    def __call__(self, items: Sequence[Item | Unusable], deliveries: int = 1) -> dict[str, int]:
        """Store or park the events, keep the refusals; returns how many had which outcome.

        Raises ``Throttled`` or ``Unavailable`` when anything could not be kept: the message is
        then delivered again, and what was stored is found as a duplicate. The queue delivers
        again at once and gives up after ten deliveries, so this waits first, the longer the more
        ``deliveries`` there were: what passes within minutes makes no dead letter. Events that
        there was no room to park go back to the queue, which keeps them for an hour.
        """
        try:
            return self._take(items)
        except MeteringError as exc:
            self.sleep(_wait(exc, deliveries))
            raise

    def _take(self, items: Sequence[Item | Unusable]) -> dict[str, int]:
        events = [item for item in items if isinstance(item, Item)]
        results = self.ingest([item.event for item in events])
        refused = [item for item in items if isinstance(item, Unusable)]
        refused += [
            Unusable(item.body, result.errors)
            for item, result in zip(events, results, strict=True)
            if result.outcome is Outcome.INVALID and not result.retry
        ]
        if refused:
            now = self.clock.now()
            self.refusals.keep(
                [
                    RefusedInput(_fingerprint(r.body), now, _well_formed(r.body), r.errors)
                    for r in refused
                ]
            )
        later = [item for item, result in zip(events, results, strict=True) if result.retry]
        self._put_off(later)
        counts: dict[str, int] = {}
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
        counts[Outcome.INVALID] = len(refused)
        return {**counts, "put_off": len(later)} if later else counts

    def _put_off(self, items: Sequence[Item]) -> None:
        """A message of their own holds up no other, as often as it comes back."""
        messages = []
        bodies: list[str] = []
        size = 0
        for item in items:
            if bodies and size + len(item.body.encode()) > MESSAGE_BYTES:
                messages.append(_message(bodies))
                bodies, size = [], 0
            bodies.append(item.body)
            size += len(item.body.encode()) + 1
        if bodies:
            messages.append(_message(bodies))
        if messages:
            self.messages.publish(QUEUE, messages)


def _message(bodies: Sequence[str]) -> Message:
    return Message(f"[{','.join(bodies)}]", after=ROOM_AFTER)


def _wait(error: MeteringError, deliveries: int) -> float:
    asked = error.retry_after if isinstance(error, Throttled) else 0.0
    return min(LONGEST_WAIT, max(asked, 2.0 ** min(deliveries - 1, 10)))


def _well_formed(text: str) -> str:
    """Text that storage takes, whatever came in: what is refused must always be kept."""
    return text.encode(errors="replace").decode()


def _fingerprint(body: str) -> str:
    return hashlib.blake2b(body.encode(errors="replace"), digest_size=16).hexdigest()
