"""Writes usage: events, their partials and change marks in one transaction, exactly once.

A lane writes one shard of one day's table and owns its partials there: it alone replaces them,
from memory, under a writer id that no other process boot has. Whenever what is stored becomes
doubtful (no answer, or a version it did not expect) the lane takes a new writer id and leaves
the old rows as they are. A transaction that was thought lost and lands late then either finds
its events stored and fails whole, or is the first to store them; sums and events stay equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from shared.domain.errors import TooLarge, Unavailable, UpstreamFailure
from shared.domain.ids import AccountCode, Shard
from shared.domain.period import DAY, day_of, hour_of
from shared.domain.usage.event import EventKey, UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import (
    AppendAnswer,
    Appended,
    Clock,
    Etag,
    EventExists,
    EventRow,
    Lock,
    Mark,
    PartialKey,
    PartialMoved,
    PartialWrite,
    Tasks,
    UsageBatch,
    UsageLog,
)

MAX_ENTITIES = 100
MAX_WEIGHT = 3 * 1024 * 1024
"""Storage takes 100 entities and 4 MiB a transaction; the weight is an estimate, hence 3."""

MAX_CELLS = 5_000
"""A lane that knows more cells than this starts over with a new writer id."""

MAX_LANES = 256
MAX_MEMORY = 256 * 1024 * 1024
"""Bytes that all lanes together may remember, about; beyond it those unused for longest go."""

CONFLICTS_BEFORE_LOOKING = 3
FEW = 10
"""Entries of a transaction that are all looked up at its first conflict: where one was delivered
again the others mostly were, and so many reads cost less than the next transaction."""

UNANSWERED_BEFORE_GIVING_UP = 3
FRUITLESS_BEFORE_GIVING_UP = 3
"""Conflicts in a row that decide no event: storage contradicts itself, and may go on doing so."""


class Stored(StrEnum):
    """What became of an event that was to be stored."""

    NEW = "new"
    SAME = "same"
    DIFFERENT = "different"
    TOO_LARGE = "too_large"


@dataclass(slots=True, eq=False)
class Entry:
    """An event on its way into the log, and what became of it.

    ``counted`` is the event with its derived fields, as it enters its partial together with the
    different values of its ``unique`` fields; without one the event as reported. ``found`` is the
    payload hash that was stored under its identity before.
    """

    row: EventRow
    cell: PartialKey
    counted: UsageEvent | None = None
    unique: frozenset[str] = frozenset()
    stored: Stored | None = None
    found: str | None = None
    failure: UpstreamFailure | None = None

    @property
    def identity(self) -> tuple[AccountCode, EventKey]:
        """What no two stored events of a day share."""
        return (self.row.account, self.row.key)

    @property
    def done(self) -> bool:
        """Whether its fate is known."""
        return self.stored is not None or self.failure is not None


@dataclass(slots=True)
class _Cell:
    partial: Partial
    etag: Etag
    memory: int


@dataclass(slots=True)
class _Plan:
    """A transaction to send: the entries it carries and the state it leaves behind."""

    batch: UsageBatch
    entries: list[Entry]


@dataclass(slots=True)
class _Tries:
    """How often storing the same entries has failed, and why; ``most`` are sent at once."""

    unanswered: int = 0
    conflicts: int = 0
    fruitless: int = 0
    most: int = MAX_ENTITIES


class Request:
    """The entries that one caller waits for, in ``lanes`` lanes."""

    def __init__(self, tasks: Tasks, lanes: int) -> None:
        self._lock = tasks.lock()
        self._signal = tasks.signal()
        self._lanes = lanes
        self._broken: Exception | None = None

    def settled(self, broken: Exception | None) -> None:
        """One more lane knows the fate of its entries, or broke down over them."""
        with self._lock:
            self._lanes -= 1
            self._broken = self._broken or broken
            last = not self._lanes
        if last:
            self._signal.set()

    def wait(self) -> None:
        """Return once the fate of every entry is known; raises what broke a lane."""
        self._signal.wait()
        if self._broken is not None:
            raise self._broken


@dataclass(slots=True)
class Lane:
    """The writer of one shard of one day's table: at any time one task at most drains it.

    Callers queue their entries and wait without holding any thread but their own, so a lane that
    is slow keeps no other from being drained.
    """

    day: date
    shard: Shard
    boot: str
    tasks: Tasks
    log: UsageLog
    clock: Clock
    memory: int = 0
    """About how many bytes its partials take."""

    _lock: Lock = field(init=False)
    _queue: list[tuple[Request, Sequence[Entry]]] = field(default_factory=list)
    _drained: bool = False
    _epoch: int = 0
    _cells: dict[PartialKey, _Cell] = field(default_factory=dict)
    _marked: set[Mark] = field(default_factory=set)
    _hinted: datetime | None = None

    def __post_init__(self) -> None:
        self._lock = self.tasks.lock()

    def queue(self, request: Request, own: Sequence[Entry]) -> bool:
        """Queue entries; whether the caller has to see to it that the lane is drained."""
        with self._lock:
            self._queue.append((request, own))
            idle = not self._drained
            self._drained = True
            return idle

    def drain(self) -> None:
        """Store what is queued, so requests that arrive together share transactions, and leave
        what is queued meanwhile to another task. Raises nothing: requests are told."""
        try:
            with self.tasks.place():
                self._drain()
        finally:
            self._hand_over()

    def _drain(self) -> None:
        with self._lock:
            taken, self._queue = self._queue, []
        waiting = [entry for _, own in taken for entry in own]
        broken: Exception | None = None
        try:
            self._store(waiting)
        except Exception as exc:  # noqa: BLE001 - every request that waits for it raises it
            broken = exc
        finally:
            _fail([e for e in waiting if not e.done], Unavailable("the writer broke down"))
            for request, _ in taken:
                request.settled(broken)

    def _hand_over(self) -> None:
        with self._lock:
            self._drained = bool(self._queue)
            more = self._drained
        if more:
            self.tasks.start(self.drain)

    def _store(self, waiting: list[Entry]) -> None:
        distinct, repeated = _without_repetitions(waiting)
        pending = sorted(distinct, key=_by_cell)
        tries = _Tries()
        while pending:
            try:
                plan = self._plan(pending[: tries.most])
                answer = self.log.append(plan.batch)
            except TooLarge:
                self._take_less(pending[0], tries)
            except UpstreamFailure as exc:
                self._start_over()
                tries.unanswered += 1
                hopeless = not isinstance(exc, Unavailable)
                if hopeless or tries.unanswered >= UNANSWERED_BEFORE_GIVING_UP:
                    _fail(pending, exc)
            else:
                self._take_in(plan, answer, tries)
            if tries.fruitless >= FRUITLESS_BEFORE_GIVING_UP:
                _fail(pending, Unavailable("storage names conflicts that decide nothing"))
            pending = [entry for entry in pending if not entry.done]
        for entry, original in repeated:
            _repeat(entry, original)

    def _take_less(self, first: Entry, tries: _Tries) -> None:
        """Weights are estimates. What is too large even alone, beside an empty partial, is so
        for good; nothing was stored, so its neighbours go on without it."""
        if tries.most > 1:
            tries.most //= 2
        elif first.cell in self._cells:
            self._start_over()
        else:
            first.stored = Stored.TOO_LARGE

    def _take_in(self, plan: _Plan, answer: AppendAnswer, tries: _Tries) -> None:
        match answer:
            case Appended(etags):
                self._stored(plan, etags)
                tries.conflicts = 0
                tries.most = min(2 * tries.most, MAX_ENTITIES)
            case EventExists(index):
                tries.conflicts += 1
                few = len(plan.entries) <= FEW
                all_of_them = few or tries.conflicts >= CONFLICTS_BEFORE_LOOKING
                self._look_up(plan.entries if all_of_them else [plan.entries[index]])
            case PartialMoved():
                self._start_over()
        fruitful = any(entry.done for entry in plan.entries)
        tries.fruitless = 0 if fruitful else tries.fruitless + 1

    def _plan(self, pending: Sequence[Entry]) -> _Plan:
        """The next transaction: as many of ``pending`` as fit, for the hour that it is now."""
        hour = hour_of(self.clock.now())
        self._hint(hour)
        taken: list[Entry] = []
        partials: dict[PartialKey, Partial] = {}
        marks: dict[Mark, None] = {}
        entities = weight = 0
        current: PartialKey | None = None
        for entry in pending:
            key = entry.cell
            entities += 1
            weight += _weight(entry)
            if key != current:  # Those of a cell stand together.
                mark = Mark(hour, key.account, hour_of(key.cell))
                needs_mark = mark not in self._marked and mark not in marks
                known = self._cells.get(key)
                entities += 1 + needs_mark
                weight += _partial_weight(known.partial) if known else 0
            if taken and (entities > MAX_ENTITIES or weight > MAX_WEIGHT):
                break
            if key != current:
                current = key
                if needs_mark:
                    marks[mark] = None
                partial = partials[key] = known.partial.copy() if known else Partial()
            partial.add(entry.counted or entry.row.event, entry.unique)
            taken.append(entry)
        writes = tuple(
            PartialWrite(key, partial, known.etag if (known := self._cells.get(key)) else None)
            for key, partial in partials.items()
        )
        rows = tuple(entry.row for entry in taken)
        writer = f"{self.boot}{self._epoch:x}"
        batch = UsageBatch(self.day, self.shard, writer, rows, writes, tuple(marks))
        return _Plan(batch, taken)

    def _hint(self, hour: datetime) -> None:
        """Runs look at an event's table on its own day and the next; other days need a hint.

        It is stored, and awaited, in the same hour as the transaction that needs it.
        """
        arrival = day_of(hour)
        if self.day in (arrival, arrival - DAY) or self._hinted == hour:
            return
        self.log.put_hint(self.shard, hour, self.day)
        self._hinted = hour

    def _stored(self, plan: _Plan, etags: Sequence[Etag]) -> None:
        """Take an answered transaction into memory; only now may its marks be relied on."""
        if len(self._cells) > MAX_CELLS:
            self._start_over()
        else:
            for write, etag in zip(plan.batch.partials, etags, strict=True):
                known = self._cells.get(write.key)
                cell = _Cell(write.partial, etag, _memory(write.partial))
                self.memory += cell.memory - (known.memory if known else 0)
                self._cells[write.key] = cell
        newest = plan.batch.marks[0].arrival_hour if plan.batch.marks else None
        if newest is not None:
            self._marked = {m for m in self._marked if m.arrival_hour == newest}
            self._marked.update(plan.batch.marks)
        for entry in plan.entries:
            entry.stored = Stored.NEW

    def _look_up(self, entries: Sequence[Entry]) -> None:
        identities = [entry.identity for entry in entries]
        try:
            found = self.log.payload_hashes(self.day, self.shard, identities)
        except UpstreamFailure as exc:
            _fail(entries, exc)
            return
        for entry, stored_hash in zip(entries, found, strict=True):
            if stored_hash is not None:
                entry.found = stored_hash
                same = stored_hash == entry.row.payload_hash
                entry.stored = Stored.SAME if same else Stored.DIFFERENT

    def _start_over(self) -> None:
        """What is stored is in doubt: write on under a new id and with an empty memory."""
        self._epoch += 1
        self._cells.clear()
        self.memory = 0


def _without_repetitions(
    waiting: Sequence[Entry],
) -> tuple[list[Entry], list[tuple[Entry, Entry]]]:
    """Each identity once, and the others paired with the one they repeat."""
    first: dict[tuple[AccountCode, EventKey], Entry] = {}
    repeated: list[tuple[Entry, Entry]] = []
    for entry in waiting:
        original = first.setdefault(entry.identity, entry)
        if original is not entry:
            repeated.append((entry, original))
    return list(first.values()), repeated


def _by_cell(entry: Entry) -> tuple[AccountCode, datetime, str, str]:
    """Entries of one cell stand together, so a transaction carries few partials."""
    cell = entry.cell
    return (cell.account, cell.cell, cell.meter, cell.segment)


def _fail(entries: Sequence[Entry], failure: UpstreamFailure) -> None:
    for entry in entries:
        if entry.stored is None:
            entry.failure = failure


def _repeat(entry: Entry, original: Entry) -> None:
    """The same identity twice at once: the second is what a later repetition would be."""
    if original.failure is not None:
        entry.failure = original.failure
        return
    if original.stored is Stored.TOO_LARGE:
        entry.stored = Stored.TOO_LARGE
        return
    known = original.found or original.row.payload_hash
    entry.stored = Stored.SAME if entry.row.payload_hash == known else Stored.DIFFERENT


def _weight(entry: Entry) -> int:
    """An upper estimate of the bytes an event takes in a transaction."""
    event = entry.counted or entry.row.event
    text = len(event.id) + len(event.source)
    for name, value in event.data.items():
        text += len(name) + (len(value) if isinstance(value, str) else 32)
    return 1_000 + 4 * text


def _partial_weight(partial: Partial) -> int:
    """An upper estimate of the bytes a partial takes in a transaction."""
    weight = 1_000
    for stats in partial.fields.values():
        weight += 5_000 + (12 * len(stats.distinct.digests) if stats.distinct else 0)
    return weight


def _memory(partial: Partial) -> int:
    """About how many bytes a partial takes in memory, as measured."""
    digests = sum(len(s.distinct.digests) for s in partial.fields.values() if s.distinct)
    return 1_000 + 500 * len(partial.fields) + 100 * digests


class UsageWriter:
    """All lanes of one process boot, which may remember about ``memory`` bytes."""

    def __init__(
        self, log: UsageLog, clock: Clock, tasks: Tasks, boot: str, memory: int = MAX_MEMORY
    ) -> None:
        self._log = log
        self._clock = clock
        self._tasks = tasks
        self._boot = boot
        self._memory = memory
        self._lock = tasks.lock()
        self._lanes: dict[tuple[date, Shard], Lane] = {}
        self._opened = 0

    def store(self, entries: Sequence[tuple[Shard, Entry]]) -> None:
        """Store events; each entry tells its fate afterwards. Lanes work side by side."""
        by_lane: dict[tuple[date, Shard], list[Entry]] = {}
        for shard, entry in entries:
            by_lane.setdefault((entry.row.event.day, shard), []).append(entry)
        work = [(self._lane(day, shard), own) for (day, shard), own in by_lane.items()]
        if not work:
            return
        request = Request(self._tasks, len(work))
        idle = [lane for lane, own in work if lane.queue(request, own)]
        for lane in idle[1:]:
            self._tasks.start(lane.drain)
        if idle:
            idle[0].drain()
        request.wait()

    def _lane(self, day: date, shard: Shard) -> Lane:
        with self._lock:
            lane = self._lanes.pop((day, shard), None)
            if lane is None:
                self._opened += 1
                boot = f"{self._boot}{self._opened:x}-"
                lane = Lane(day, shard, boot, self._tasks, self._log, self._clock)
            self._lanes[(day, shard)] = lane
            self._forget_oldest()
            return lane

    def _forget_oldest(self) -> None:
        """Whoever needs a forgotten lane again begins one of another writer id."""
        used = sum(lane.memory for lane in self._lanes.values())
        while self._lanes and (len(self._lanes) > MAX_LANES or used > self._memory):
            used -= self._lanes.pop(next(iter(self._lanes))).memory
