"""Takes usage from the queue: what is good is stored, what is not is kept with its reasons."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import FieldError
from shared.domain.usage.event import Outcome, UsageEvent
from shared.ports import Clock, Refusals, RefusedInput
from shared.services.ingest_usage import IngestUsage


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
    """The queue has no caller to answer, so every refusal is kept before a message completes."""

    ingest: IngestUsage
    refusals: Refusals
    clock: Clock

    def __call__(self, items: Sequence[Item | Unusable]) -> dict[str, int]:
        """Store or park the events, keep the refusals; returns how many had which outcome.

        Raises ``Throttled`` or ``Unavailable`` when anything could not be kept: the message is
        then delivered again, and what was stored is found as a duplicate.
        """
        events = [item for item in items if isinstance(item, Item)]
        results = self.ingest([item.event for item in events])
        refused = [item for item in items if isinstance(item, Unusable)]
        refused += [
            Unusable(item.body, result.errors)
            for item, result in zip(events, results, strict=True)
            if result.outcome is Outcome.INVALID
        ]
        if refused:
            now = self.clock.now()
            self.refusals.keep(
                [
                    RefusedInput(_fingerprint(r.body), now, _well_formed(r.body), r.errors)
                    for r in refused
                ]
            )
        counts: dict[str, int] = {}
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
        counts[Outcome.INVALID] = len(refused)
        return counts


def _well_formed(text: str) -> str:
    """Text that storage takes, whatever came in: what is refused must always be kept."""
    return text.encode(errors="replace").decode()


def _fingerprint(body: str) -> str:
    return hashlib.blake2b(body.encode(errors="replace"), digest_size=16).hexdigest()
