"""Sends submissions that are under way and writes down what the Marketplace answered.

Before each send its attempt is written, so a crash between sending and recording leaves a
submission that is sent again as it was: same hour, same quantity. The Marketplace keeps one
event an hour, so the repetition answers with what it holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Refused,
    Settlement,
    Submission,
    SubmissionState,
    Unknown,
    settle,
)
from shared.domain.period import HOUR, hour_of
from shared.ports import (
    AgendaEntry,
    Clock,
    Ledger,
    LedgerWrite,
    Metering,
    PutAgenda,
    PutRow,
    PutSubmission,
    Versioned,
)

BATCH = 25
"""Events a call of the metering API takes (marketplace-metering-service-apis)."""

type KnownRows = dict[LedgerKey, Versioned[LedgerRow]]

CLOSED_FOR = timedelta(seconds=60)
ATTEMPTS = 5


class Breaker:
    """Stops calls for a minute after one that got no answer at all."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open_until: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether calls would be in vain now."""
        return self._open_until is not None and self._clock.now() < self._open_until

    def note(self, answers: Sequence[Answer]) -> None:
        """Take the answers of one call into account."""
        if all(isinstance(answer, Unknown) for answer in answers):
            self._open_until = self._clock.now() + CLOSED_FOR
        else:
            self._open_until = None


@dataclass(slots=True)
class Submitted:
    """What a round of sending did."""

    calls: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    """Why attempts were refused, and how often."""
    differing: list[Submission] = field(default_factory=list)
    """Submissions for which the Marketplace holds another quantity than was sent."""
    unfinished: set[AccountCode] = field(default_factory=set)
    """Accounts whose dimension is free again and still has something to send."""


@dataclass(frozen=True, slots=True)
class _Answered:
    submission: Versioned[Submission]
    settlement: Settlement


class Submit:
    """Sends and settles."""

    def __init__(self, ledger: Ledger, metering: Metering, breaker: Breaker) -> None:
        self._ledger = ledger
        self._metering = metering
        self._breaker = breaker

    def __call__(
        self,
        shard: Shard,
        under_way: Iterable[Versioned[Submission]],
        now: datetime,
        known: KnownRows,
        tell: Callable[[Submission], None] = lambda _: None,
    ) -> Submitted:
        """Send what may be sent now, 25 a call, and settle each answer.

        ``known`` holds ledger rows with their versions and is kept up to date. ``tell`` is
        called with a submission for which the Marketplace holds another quantity than was
        sent, before that is written down: no crash in between can hide it.
        """
        due = [s for s in under_way if s.value.not_before is None or s.value.not_before <= now]
        due.sort(key=lambda s: (s.value.hour, s.value.key.resource, s.value.key.dimension))
        result = Submitted()
        for start in range(0, len(due), BATCH):
            if self._breaker.open:
                break
            claimed = self._claim(shard, due[start : start + BATCH])
            if not claimed:
                continue
            answers = self._send([s.value for s in claimed], result)
            self._settle(shard, claimed, answers, now, known, result, tell)
        return result

    def _send(self, submissions: Sequence[Submission], result: Submitted) -> list[Answer]:
        """One call; if the Marketplace finds it malformed, each half by itself.

        Nothing of such a call was recorded, and one item that is to blame must not keep the
        others from being billed.
        """
        answers = self._metering.send(submissions)
        result.calls += 1
        self._breaker.note(answers)
        malformed = all(isinstance(a, Refused) and a.malformed_call for a in answers)
        if not malformed or len(submissions) == 1:
            return answers
        half = len(submissions) // 2
        return [
            *self._send(submissions[:half], result),
            *self._send(submissions[half:], result),
        ]

    def _claim(
        self, shard: Shard, submissions: Sequence[Versioned[Submission]]
    ) -> list[Versioned[Submission]]:
        """Write the attempt of each, all at once; those that another run took are left out."""
        counted = [replace(s.value, attempts=s.value.attempts + 1) for s in submissions]
        writes = [
            PutSubmission(value, s.etag) for value, s in zip(counted, submissions, strict=True)
        ]
        try:
            etags = self._ledger.write(shard, writes)
            return [Versioned(v, etag) for v, etag in zip(counted, etags, strict=True)]
        except ConcurrentUpdate:
            if len(submissions) == 1:
                return []
        return [claimed for s in submissions for claimed in self._claim(shard, [s])]

    def _settle(
        self,
        shard: Shard,
        claimed: Sequence[Versioned[Submission]],
        answers: Sequence[Answer],
        now: datetime,
        known: KnownRows,
        result: Submitted,
        tell: Callable[[Submission], None],
    ) -> None:
        """Write all answers of a call in one transaction, or one by one if any is contested."""
        answered: list[_Answered] = []
        for submission, answer in zip(claimed, answers, strict=True):
            name = type(answer).__name__.lower()
            result.answers[name] = result.answers.get(name, 0) + 1
            if isinstance(answer, Refused):
                result.reasons[answer.reason] = result.reasons.get(answer.reason, 0) + 1
            if isinstance(answer, Unknown):
                continue
            settlement = settle(submission.value, answer, hour_of(now) + HOUR)
            if isinstance(answer, Accepted | Duplicate) and settlement.committed:
                tell(settlement.submission)
                result.differing.append(settlement.submission)
            answered.append(_Answered(submission, settlement))
        if not answered:
            return
        try:
            self._record(shard, answered, now, known, result)
        except ConcurrentUpdate:
            for one in answered:
                self._record_alone(shard, one, now, known, result)

    def _record(
        self,
        shard: Shard,
        answered: Sequence[_Answered],
        now: datetime,
        known: KnownRows,
        result: Submitted,
    ) -> None:
        """Write submissions and ledger rows together."""
        writes: list[LedgerWrite] = []
        rows: dict[int, LedgerRow] = {}
        unfinished: set[AccountCode] = set()
        for one in answered:
            settled = one.settlement.submission
            writes.append(PutSubmission(settled, one.submission.etag))
            if settled.state is SubmissionState.HELD:
                continue
            stored = self._row(shard, settled.key, known)
            row = _freed(stored.value, one.settlement)
            rows[len(writes)] = row
            writes.append(PutRow(row, stored.etag))
            if row.rated > row.committed:
                unfinished.add(row.account)
        writes += [PutAgenda(AgendaEntry(hour_of(now), account)) for account in sorted(unfinished)]
        etags = self._ledger.write(shard, writes)
        for index, row in rows.items():
            known[row.key] = Versioned(row, etags[index])
        result.unfinished |= unfinished

    def _record_alone(
        self, shard: Shard, one: _Answered, now: datetime, known: KnownRows, result: Submitted
    ) -> None:
        """Write one answer; if another run settled the submission meanwhile, that stands."""
        for _ in range(ATTEMPTS):
            known.pop(one.submission.value.key, None)
            try:
                self._record(shard, [one], now, known, result)
            except ConcurrentUpdate:
                if all(s.etag != one.submission.etag for s in self._ledger.unsettled(shard)):
                    return
                continue
            return
        raise ConcurrentUpdate(f"the ledger row of {one.submission.value.key} keeps changing")

    def _row(self, shard: Shard, key: LedgerKey, known: KnownRows) -> Versioned[LedgerRow]:
        if key not in known:
            known.update(self._ledger.rows(shard, key.resource))
        return known[key]


def _freed(row: LedgerRow, settlement: Settlement) -> LedgerRow:
    """The row with the answer's effect, open for the next submission."""
    open_hour = None if row.open_hour == settlement.submission.hour else row.open_hour
    return replace(row, committed=row.committed + settlement.committed, open_hour=open_hour)
