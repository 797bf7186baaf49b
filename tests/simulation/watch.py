"""Stores that tell a watch of every effect at the moment it happens, and the watch that judges it.

Effects are judged where they take place, so a request that arrives late or whose sender is dead
is judged like any other.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.ids import AccountCode, Resource, Shard, SubscriptionId, shard_of
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.reconciliation import ReportedUsage
from shared.domain.metering.submission import Accepted, Answer, Submission, SubmissionState
from shared.domain.money import ZERO
from shared.domain.period import day_of
from shared.domain.usage.event import EventKey, UsageEvent, canonical_payload, payload_hash
from shared.domain.usage.partial import Partial
from shared.ports import (
    AppendAnswer,
    Appended,
    DayKey,
    Etag,
    LedgerWrite,
    PartialKey,
    PutRefund,
    PutRow,
    PutSubmission,
    UsageBatch,
    UsageDay,
    Versioned,
)
from tests.fakes.accounts import FakeAccounts
from tests.fakes.ledger import FakeLedger
from tests.fakes.marketplace import FakeMarketplace, slot_of
from tests.fakes.runs import FakeRuns
from tests.fakes.usage_days import FakeUsageDays
from tests.fakes.usage_log import FakeUsageLog
from tests.simulation.oracle import Oracle
from tests.simulation.scheduler import Hub

type Slot = tuple[LedgerKey, datetime]
type Reported = tuple[str, str, datetime]
type Identity = tuple[AccountCode, EventKey, date]

FINAL = frozenset({SubmissionState.ACCEPTED, SubmissionState.RELEASED, SubmissionState.SETTLED})


class Violation(Exception):
    """Something happened that must never happen."""


def must(condition: bool, text: str, *details: object) -> None:
    """Raise ``Violation`` unless ``condition`` holds."""
    if not condition:
        raise Violation(text + "".join(f"\n    {detail}" for detail in details))


def effect(submission: Submission) -> Decimal:
    """What a submission stands for in ``committed``."""
    if submission.state in FINAL:
        must(submission.billed is not None, "a final submission without quantity", submission)
        return submission.billed or ZERO
    return submission.quantity


def in_doubt(submission: Submission) -> bool:
    """Whether the Marketplace may or may not hold it."""
    return submission.state not in FINAL and submission.attempts > 0


@dataclass(slots=True)
class Watch:
    """Judges every effect."""

    hub: Hub
    oracle: Oracle
    counts: Counter[str] = field(default_factory=Counter)
    violation: Violation | None = None
    events: dict[Identity, str] = field(default_factory=dict)
    cells: dict[PartialKey, tuple[int, Decimal]] = field(default_factory=dict)
    by_hour: dict[AccountCode, dict[datetime, list[PartialKey]]] = field(default_factory=dict)
    partials: dict[tuple[PartialKey, str], tuple[int, Decimal]] = field(default_factory=dict)
    folded: dict[PartialKey, tuple[int, int]] = field(default_factory=dict)
    rows: dict[LedgerKey, LedgerRow] = field(default_factory=dict)
    submissions: dict[Slot, Submission] = field(default_factory=dict)
    sums: defaultdict[LedgerKey, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    refunded: defaultdict[LedgerKey, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    held: dict[Reported, Decimal] = field(default_factory=dict)
    absorbed: defaultdict[LedgerKey, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    strange: dict[Reported, Decimal] = field(default_factory=dict)
    """Hours that somebody else reported, until a submission of ours meets them."""

    billed: defaultdict[tuple[str, str], Decimal] = field(
        default_factory=lambda: defaultdict(Decimal)
    )
    records: dict[AccountCode, AccountRecord] = field(default_factory=dict)
    owners: dict[Resource, AccountCode] = field(default_factory=dict)
    active: set[tuple[AccountCode, datetime]] = field(default_factory=set)

    # --- usage

    def appended(self, batch: UsageBatch) -> None:
        """A transaction of the usage log took effect."""
        grown: dict[PartialKey, tuple[int, Decimal]] = {}
        for row in batch.events:
            identity = (row.account, row.key, batch.day)
            must(identity not in self.events, "an event was stored twice", row)
            self.events[identity] = row.payload_hash
            self.oracle.stored(row, self.hub.now)
            cell = row.event.time.replace(
                minute=row.event.time.minute - row.event.time.minute % self.oracle.minutes,
                second=0,
                microsecond=0,
            )
            key = PartialKey(row.account, cell, row.event.meter)
            if key not in self.cells:
                hours = self.by_hour.setdefault(row.account, {})
                hours.setdefault(cell.replace(minute=0), []).append(key)
            count, total = self.cells.get(key, (0, ZERO))
            value = row.event.data["n"]
            assert isinstance(value, Decimal)
            self.cells[key] = (count + 1, total + value)
            before = grown.get(key, (0, ZERO))
            grown[key] = (before[0] + 1, before[1] + value)
            self.active.add((row.account, self.hub.now.replace(minute=0, second=0, microsecond=0)))
        for write in batch.partials:
            owned = (write.key, batch.writer)
            new = summary(write.partial)
            old = self.partials.get(owned, (0, ZERO))
            self.partials[owned] = new
            delta = (new[0] - old[0], new[1] - old[1])
            must(
                grown.pop(write.key, (0, ZERO)) == delta,
                "a partial does not grow by its transaction's events",
                write,
            )
        must(not grown, "events were stored without their partials", *grown)
        self.counts["events"] += len(batch.events)

    def folded_day(self, row: UsageDay) -> None:
        """A row of folded usage was replaced."""
        for start, partial in row.cells.items():
            key = PartialKey(row.key.account, start, row.key.meter, row.key.segment)
            before = self.folded.get(key, (0, 0))
            if partial.rank == before:
                continue
            must(partial.rank > before, "folded usage went backwards", key, before, partial)
            self.folded[key] = partial.rank
            stored = self.cells.get(key, (0, ZERO))
            seen = summary(partial)
            must(
                seen[0] < stored[0] or seen == stored,
                "folded usage is ahead of the events",
                key,
                seen,
                stored,
            )

    def stored_cells(
        self, account: AccountCode, hours: Collection[datetime]
    ) -> dict[PartialKey, int]:
        """How many events the cells of these hours have now."""
        wanted = set(hours)
        return {
            key: self.cells[key][0]
            for hour, keys in self.by_hour.get(account, {}).items()
            if hour in wanted
            for key in keys
        }

    def fold_ended(self, before: Mapping[PartialKey, int]) -> None:
        """A fold has returned: at least what was stored when it began is folded."""
        for key, events in before.items():
            folded = self.folded.get(key, (0, 0))[1]
            must(folded >= events, "a fold returned without having folded", key, folded, events)

    # --- accounts

    def account_saved(self, record: AccountRecord) -> None:
        """An account was created or changed."""
        self.records[record.account.code] = record
        self.oracle.account_saved(record, self.hub.now)
        if record.subscription is not None:
            self.owners[Resource(record.subscription.id)] = record.account.code

    # --- the ledger

    def ledger_written(self, writes: Sequence[LedgerWrite]) -> None:
        """A transaction of the ledger took effect."""
        touched: set[LedgerKey] = set()
        for write in writes:
            match write:
                case PutRow(row):
                    self.rows[row.key] = row
                    touched.add(row.key)
                case PutRefund(refund):
                    self.sums[refund.key] -= refund.units
                    self.refunded[refund.key] += refund.units
                case PutSubmission(submission):
                    self._submission(submission)
                    touched.add(submission.key)
                case _:
                    pass
        for key in touched:
            row = self.rows[key]
            must(
                row.committed == self.sums[key],
                "committed is not what its submissions stand for",
                row,
                self.sums[key],
            )
            open_hour = row.open_hour
            under_way = open_hour is not None and self.submissions[key, open_hour].state.under_way
            must(open_hour is None or under_way, "open_hour names what is not under way", row)

    def _submission(self, new: Submission) -> None:
        slot = (new.key, new.hour)
        old = self.submissions.get(slot)
        self.submissions[slot] = new
        self.sums[new.key] += effect(new) - (effect(old) if old else ZERO)
        if old is None:
            self._intended(new)
            return
        must(old.state not in FINAL, "a final submission was changed", old, new)
        moved = replace(
            old,
            state=new.state,
            attempts=new.attempts,
            billed=new.billed,
            reason=new.reason,
            not_before=new.not_before,
            usage_event_id=new.usage_event_id,
            reported=new.reported,
            reported_at=new.reported_at,
        )
        must(moved == new, "a submission's frozen facts were changed", old, new)
        held = self.held.get(slot_of(new))
        if new.state is SubmissionState.RELEASED and slot_of(new) not in self.strange:
            # What others reported for the hour stays theirs: reconciliation shows it.
            must(held is None, "a submission was released that the Marketplace holds", new, held)
        if new.state is SubmissionState.ACCEPTED:
            must(held == new.billed, "accepted is not what the Marketplace holds", new, held)
            self._absorb(new.key, [slot_of(new)])
        if new.state is SubmissionState.SETTLED:
            self._absorb(new.key, [s for s in self.strange if day_of(s[2]) == day_of(new.hour)])

    def _absorb(self, key: LedgerKey, slots: Sequence[Reported]) -> None:
        """What others reported for these hours counts as ours from now on."""
        for slot in slots:
            if slot[:2] == (key.resource, key.dimension) and slot in self.strange:
                units = self.strange.pop(slot)
                self.billed[slot[:2]] += units
                self.absorbed[key] += units

    def _intended(self, new: Submission) -> None:
        self.counts["intents"] += 1
        must(new.quantity > 0, "an intent of nothing", new)
        must(new.state is SubmissionState.OPEN and not new.attempts, "an intent with a past", new)
        must(new.hour <= new.effective_start < new.hour + timedelta(hours=1), "a wrong hour", new)
        must(new.hour + timedelta(hours=1) <= self.hub.now, "an intent for an open hour", new)
        subscription = self.records[new.account].subscription
        assert subscription is not None
        start, end = subscription.start, subscription.end
        must(start is not None and start <= new.effective_start, "before the start", new)
        must(new.plan == subscription.plan_at(new.effective_start), "another plan", new)
        if end is not None and new.effective_start >= end:
            self.counts["intents written before the end was known"] += 1

    # --- the Marketplace

    def sent(self, submission: Submission, answer: Answer) -> None:
        """The Marketplace judged an event."""
        self.counts["judged by the Marketplace"] += 1
        known = self.submissions.get((submission.key, submission.hour))
        must(known is not None, "something was reported without an intent", submission)
        assert known is not None
        must(known.quantity == submission.quantity, "another quantity was reported", submission)
        must(known.attempts > 0 or known.state in FINAL, "an attempt was not written", submission)
        if not isinstance(answer, Accepted):
            return
        self.counts["accepted"] += 1
        must(known.state not in FINAL, "accepted after it was given up", known)
        self.held[slot_of(submission)] = submission.quantity
        key = (submission.key.resource, submission.key.dimension)
        self.billed[key] += submission.quantity
        customer = self.oracle.customers[submission.account]
        due = self.oracle.due(customer, self.hub.now)
        kept = self.billed[key] - self.refunded[submission.key]
        must(
            kept <= customer.highest + self.absorbed[submission.key],
            "the Marketplace holds more than was ever due",
            f"{kept} > {customer.highest} (now {due})",
            submission,
        )

    def foreign(self, submission: Submission) -> None:
        """Somebody else reported for one of our hours."""
        self.held[slot_of(submission)] = submission.quantity
        self.strange[slot_of(submission)] = submission.quantity

    # --- answers to producers

    def acknowledged(self, event: UsageEvent) -> None:
        """A caller was told that an event is stored."""
        identity = (event.account, event.key, event.day)
        must(identity in self.events, "an event was acknowledged and is not stored", event)
        same = self.events[identity] == payload_hash(canonical_payload(event))
        must(same, "another payload was acknowledged", event)

    def in_doubt(self) -> Counter[LedgerKey]:
        """How many submissions of each dimension are in doubt."""
        return Counter(s.key for s in self.submissions.values() if in_doubt(s))


def summary(partial: Partial) -> tuple[int, Decimal]:
    """Events and their sum."""
    stats = partial.fields.get("n")
    return partial.events, stats.total if stats else ZERO


class WatchedLog(FakeUsageLog):
    """The usage log; ``append`` is watched. Partials are handed out like days."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def append(self, batch: UsageBatch) -> AppendAnswer:
        answer = super().append(batch)
        if isinstance(answer, Appended):
            self._watch.appended(batch)
        return answer

    def partials(
        self, day: date, shard: Shard, account: AccountCode, first: datetime, last: datetime
    ) -> dict[PartialKey, list[Partial]]:
        found: dict[PartialKey, list[Partial]] = {}
        partition = self._partitions.get((day, shard))
        rows = partition.partials.get(account, {}) if partition else {}
        for (key, _), stored in rows.items():
            if first <= key.cell <= last:
                found.setdefault(key, []).append(stored.value)
        return found


class WatchedDays(FakeUsageDays):
    """Folded usage; every row is watched. Readers get the stored partials themselves, which is
    quick, and whoever changed one would be found out."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def read(
        self, shard: Shard, account: AccountCode, first: date, last: date
    ) -> dict[DayKey, Versioned[UsageDay]]:
        rows = self._rows.get((shard, account), {})
        return {key: stored for key, stored in rows.items() if first <= key.day <= last}

    def _write(self, shard: Shard, row: UsageDay, etag: Etag | None) -> None:
        super()._write(shard, row, etag)
        self._watch.folded_day(row)


class WatchedLedger(FakeLedger):
    """The ledger; every transaction is watched."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def write(self, shard: Shard, writes: Sequence[LedgerWrite]) -> list[Etag]:
        etags = super().write(shard, writes)
        self._watch.ledger_written(writes)
        return etags


class WatchedRuns(FakeRuns):
    """Runs; remembers when each shard completed one."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(_TrueClock(hub))
        self._hub = hub
        self.ends: defaultdict[Shard, list[datetime]] = defaultdict(list)

    def complete(self, shard: Shard, started: datetime) -> None:
        super().complete(shard, started)
        self.ends[shard].append(self._hub.now)


class WatchedAccounts(FakeAccounts):
    """Accounts; every change is watched."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def _put(self, record: AccountRecord) -> Etag:
        etag = super()._put(record)
        self._watch.account_saved(record)
        return etag


class WatchedMarketplace(FakeMarketplace):
    """The Marketplace; every judgement is watched."""

    def __init__(self, hub: Hub, watch: Watch) -> None:
        super().__init__(_TrueClock(hub))
        self.report_lag = timedelta()
        self._hub = hub
        self._watch = watch

    def later(self, due: datetime, work: Callable[[datetime], object]) -> None:
        super().later(due, work)
        self._hub.at(due, self.tick)

    def sell(self, plan: str, shards: Collection[Shard]) -> tuple[SubscriptionId, str]:
        """A purchase whose account falls into one of ``shards``."""
        self.tick()
        while shard_of(AccountCode(_guid(self._number + 1))) not in shards:
            self._number += 1
        return self.buy(plan)

    def take(self, submission: Submission) -> bool:
        """An event that is not ours; whether it was accepted."""
        self.tick()
        accepted = isinstance(super()._judge(submission, self._hub.now), Accepted)
        if accepted:
            self._watch.foreign(submission)
        return accepted

    def usage_of(self, day: date) -> list[ReportedUsage]:
        """The report, as it was a while ago."""
        held = self.held
        before = self._hub.now - self.report_lag
        self.held = {slot: event for slot, event in held.items() if event.at <= before}
        try:
            return super().usage_of(day)
        finally:
            self.held = held

    def _judge(self, submission: Submission, now: datetime) -> Answer:
        answer = super()._judge(submission, now)
        self._watch.sent(submission, answer)
        return answer


def _guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


@dataclass(frozen=True, slots=True)
class _TrueClock:
    hub: Hub

    def now(self) -> datetime:
        return self.hub.now
