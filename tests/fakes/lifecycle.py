"""Operations, audit trail, checkpoints and the publisher's endpoint in memory."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from shared.domain.audit import AuditEntry
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import OperationRecord


class FakeOperations:
    """Operations by subscription and id."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], OperationRecord] = {}

    def get(self, subscription: SubscriptionId, operation: str) -> OperationRecord | None:
        return self._records.get((subscription, operation))

    def add(self, record: OperationRecord) -> OperationRecord:
        key = (record.operation.subscription, record.operation.id)
        return self._records.setdefault(key, record)

    def save(self, record: OperationRecord) -> None:
        self._records[record.operation.subscription, record.operation.id] = record

    def of(self, subscription: SubscriptionId) -> Iterable[OperationRecord]:
        return [r for (owner, _), r in self._records.items() if owner == subscription]

    def unfinished(self) -> Iterable[OperationRecord]:
        return [record for record in self._records.values() if not record.done]


class FakeAuditTrail:
    """Entries in the order of time."""

    def __init__(self) -> None:
        self._entries: list[AuditEntry] = []

    def append(self, entries: Sequence[AuditEntry]) -> None:
        self._entries += [entry for entry in entries if entry not in self._entries]

    def of(self, subject: str) -> Iterable[AuditEntry]:
        return sorted((e for e in self._entries if e.subject == subject), key=lambda e: e.at)

    def between(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        found = [entry for entry in self._entries if since <= entry.at < until]
        return iter(sorted(found, key=lambda e: e.at, reverse=True))


class FakeCheckpoints:
    """Moments by name."""

    def __init__(self) -> None:
        self._moments: dict[str, datetime] = {}

    def read(self, name: str) -> datetime | None:
        return self._moments.get(name)

    def note(self, name: str, at: datetime) -> None:
        self._moments[name] = at


class FakeForwarder:
    """``sent`` holds what was delivered; ``errors`` strike the next calls in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.errors: list[Exception] = []

    def send(self, event: str, body: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((event, body))
