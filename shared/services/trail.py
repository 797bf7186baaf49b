"""Reads the audit trail: who changed what, and when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.audit import AuditEntry
from shared.ports import AuditTrail, Clock

MICROSECOND = timedelta(microseconds=1)
AHEAD = timedelta(minutes=1)
"""Clocks follow storage to about a second: what was just noted may lie ahead of now."""

SHOWN = timedelta(days=90)
"""How far back the trail is shown unless told."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the trail ended: after ``seen`` entries of the moment ``at``."""

    at: datetime
    seen: int


@dataclass(frozen=True, slots=True)
class TrailQuery:
    """Which entries: of [since, until), of a subject or an actor, of actions that begin so; at
    most ``limit`` of those after ``after``."""

    since: datetime | None = None
    until: datetime | None = None
    subject: str | None = None
    actor: str | None = None
    action: str = ""
    limit: int = 100
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Entries, newest first; ``after`` asks for older ones, if there are."""

    entries: tuple[AuditEntry, ...]
    after: Place | None


@dataclass(frozen=True, slots=True)
class ReadTrail:
    """``GET /api/audit``."""

    trail: AuditTrail
    clock: Clock

    def __call__(self, query: TrailQuery) -> TrailPage:
        """One page."""
        found: list[AuditEntry] = []
        place = query.after
        at, seen = (place.at, place.seen) if place else (None, 0)
        skip = seen
        for entry in self._entries(query):
            if entry.at == at and skip:
                skip -= 1
                continue
            if len(found) == query.limit:
                return TrailPage(tuple(found), Place(at or entry.at, seen))
            found.append(entry)
            at, seen = entry.at, seen + 1 if entry.at == at else 1
        return TrailPage(tuple(found), None)

    def _entries(self, query: TrailQuery) -> Iterator[AuditEntry]:
        """What the query asks for, newest first, from its place on."""
        until = query.until or self.clock.now() + AHEAD
        since = query.since or until - SHOWN
        if query.after is not None:
            until = min(until, query.after.at + MICROSECOND)
        if query.subject is None:
            entries = self.trail.between(since, until)
        else:
            own = list(self.trail.of(query.subject))
            entries = (entry for entry in reversed(own) if since <= entry.at < until)
        for entry in entries:
            right = query.actor is None or entry.actor == query.actor
            if right and entry.action.startswith(query.action):
                yield entry
