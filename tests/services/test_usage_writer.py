"""The writer of the usage log: few transactions, no reads, and partials equal to events."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import Throttled, TooLarge, Unavailable
from shared.domain.ids import AccountCode, Shard, shard_of
from shared.domain.period import DAY, HOUR, cell_of, day_of, hour_of
from shared.domain.usage.event import Outcome, UsageEvent, canonical_payload, payload_hash
from shared.ports import (
    AppendAnswer,
    Appended,
    EventExists,
    EventRow,
    PartialKey,
    PartialMoved,
    UsageBatch,
)
from shared.services.usage_writer import FEW, Entry, Lane, Request, Stored, UsageWriter
from shared.threads import ThreadTasks
from tests.fakes.tasks import FakeTasks
from tests.fakes.usage_log import FakeUsageLog
from tests.services.taps import Call, tap
from tests.services.world import START, Process, World

MINUTE = timedelta(minutes=1)


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def busy(_: Call) -> None:
    raise Throttled("busy")


def entries(events: Sequence[UsageEvent]) -> list[tuple[Shard, Entry]]:
    """Events as the writer takes them, with their shards."""
    return [(shard_of(event.account), entry_of(event)) for event in events]


def entry_of(event: UsageEvent) -> Entry:
    row = EventRow(event.account, event.key, payload_hash(canonical_payload(event)), event)
    return Entry(row, PartialKey(event.account, cell_of(event.time, 60), event.meter))


def store(world: World, *events: UsageEvent) -> list[Stored | None]:
    return write(world.process, *events)


def write(process: Process, *events: UsageEvent) -> list[Stored | None]:
    made = entries(events)
    process.writer.store(made)
    return [entry.stored for _, entry in made]


def transactions(world: World) -> list[UsageBatch]:
    found = [call.arguments[0] for call in world.journal.calls if call.name == "log.append"]
    return [batch for batch in found if isinstance(batch, UsageBatch)]


# --- how many transactions


def marked(world: World, accounts: Sequence[str]) -> None:
    """Make the hour's marks of ``accounts`` known to the writer."""
    for start in range(0, len(accounts), 1000):
        store(world, *(world.event(account) for account in accounts[start : start + 1000]))
    world.journal.forget()


def test_a_thousand_events_of_one_account_take_eleven() -> None:
    world = World()
    marked(world, ["acme"])
    store(world, *(world.event("acme") for _ in range(1000)))
    assert world.journal.counts() == {"log.append": 11}


@pytest.mark.parametrize(
    ("population", "most"), [pytest.param(1_000, 28, id="1000"), (100_000, 34)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_events_of_many_accounts(population: int, most: int, seed: int) -> None:
    world, random = World(), Random(seed)
    drawn = [f"customer-{random.randrange(population)}" for _ in range(1000)]
    marked(world, sorted(set(drawn)))
    store(world, *(world.event(account) for account in drawn))
    assert set(world.journal.counts()) == {"log.append"}
    assert world.journal.count("log.append") <= most


def test_no_transaction_is_larger_than_storage_takes() -> None:
    world = World()
    store(world, *(world.event(f"c{n}") for n in range(1000)))
    assert 90 < max(batch.entities for batch in transactions(world)) <= 100


def test_a_full_redelivery_looks_up_what_three_conflicts_do_not_name() -> None:
    world = World()
    events = [world.event("acme") for _ in range(99)]
    store(world, *events)
    store(world, world.event("acme"))
    world.journal.forget()
    assert store(world, *events) == [Stored.SAME] * 99
    assert world.journal.count("log.append") <= 4
    reads = [c.arguments[2] for c in world.journal.calls if c.name == "log.payload_hashes"]
    assert sum(len(read) for read in reads if isinstance(read, list)) == 99
    world.check()


def test_a_redelivery_of_few_takes_one_transaction() -> None:
    world = World()
    events = [world.event("acme") for _ in range(FEW)]
    store(world, *events)
    world.journal.forget()
    assert store(world, *events) == [Stored.SAME] * FEW
    assert world.journal.counts() == {"log.append": 1, "log.payload_hashes": 1}
    world.check()


def test_one_duplicate_among_many_costs_one_transaction_and_one_read() -> None:
    world = World()
    first = world.event("acme")
    store(world, first)
    world.journal.forget()
    assert store(world, *(world.event("acme") for _ in range(50)), first)[-1] is Stored.SAME
    assert world.journal.counts() == {"log.append": 2, "log.payload_hashes": 1}
    world.check()


# --- marks


def test_a_mark_is_written_once_an_hour() -> None:
    world = World()
    for _ in range(2):
        store(world, world.event("acme"))
        store(world, world.event("acme"))
        world.clock.advance(HOUR)
    arrivals = [[mark.arrival_hour for mark in batch.marks] for batch in transactions(world)]
    assert arrivals == [[START], [], [START + HOUR], []]


def test_a_mark_for_every_event_hour() -> None:
    world = World()
    store(world, world.event("acme"), world.event("acme", time=START - HOUR))
    (batch,) = transactions(world)
    assert {mark.event_hour for mark in batch.marks} == {START, START - HOUR}


def test_the_arrival_hour_is_read_anew_for_every_send() -> None:
    world = World()
    event = world.event("acme")
    world.journal.before("log.append", lost)
    world.journal.before("log.append", lambda _: None, nth=2)
    world.journal.always = lambda call: (
        world.clock.advance(HOUR) if call.name == "log.append" and not world.log.days() else None
    )
    store(world, event)
    hours = [batch.marks[0].arrival_hour for batch in transactions(world)]
    assert hours == [START, START + HOUR]


@pytest.mark.parametrize("applied", [True, False])
def test_a_mark_is_not_relied_on_without_an_answer(applied: bool) -> None:
    world = World()
    step = world.journal.after if applied else world.journal.before
    for nth in (1, 2, 3) if not applied else (1,):
        step("log.append", lost, nth)
    store(world, world.event("acme"))
    world.journal.forget()
    assert store(world, world.event("acme")) == [Stored.NEW]
    (batch,) = transactions(world)
    assert len(batch.marks) == 1
    world.check()


def test_a_mark_is_not_relied_on_after_a_duplicate() -> None:
    world = World()
    event = world.event("acme")
    write(world.boot(), event)
    store(world, event)
    store(world, event)
    last = transactions(world)[-1]
    assert len(last.marks) == 1


# --- hints


@pytest.mark.parametrize(
    ("arrival", "time", "hinted"),
    [
        pytest.param(START, START, False, id="today"),
        pytest.param(START, START - DAY, False, id="yesterday"),
        pytest.param(START, START - 2 * DAY, True, id="the day before"),
        pytest.param(START, START - 30 * DAY, True, id="long ago"),
        pytest.param(
            datetime(2026, 3, 2, 23, 57, tzinfo=UTC),
            datetime(2026, 3, 3, 0, 1, tzinfo=UTC),
            True,
            id="ahead, across midnight",
        ),
    ],
)
def test_an_unusual_day_is_hinted_before_its_transaction(
    arrival: datetime, time: datetime, hinted: bool
) -> None:
    world = World()
    world.clock.at = arrival
    event = world.event("acme", time=time)
    store(world, event)
    names = [call.name for call in world.journal.calls]
    assert names == (["log.put_hint"] if hinted else []) + ["log.append"]
    days = world.log.hinted_days(shard_of(event.account), hour_of(arrival))
    assert days == ({day_of(time)} if hinted else set())


def test_a_hint_holds_for_its_hour() -> None:
    world = World()
    for _ in range(2):
        for _ in range(2):
            store(world, world.event("acme", time=START - 5 * DAY))
        world.clock.advance(HOUR)
    assert world.journal.count("log.put_hint") == 2


def test_without_its_hint_nothing_is_stored() -> None:
    world = World()
    for nth in (1, 2, 3):
        world.journal.before("log.put_hint", lost, nth)
    assert store(world, world.event("acme", time=START - 5 * DAY)) == [None]
    assert world.journal.count("log.append") == 0


def test_a_hint_whose_answer_was_lost_is_put_again() -> None:
    world = World()
    world.journal.after("log.put_hint", lost)
    assert store(world, world.event("acme", time=START - 5 * DAY)) == [Stored.NEW]
    assert world.journal.count("log.put_hint") == 2


# --- lost answers, refusals, other writers


@pytest.mark.parametrize("applied", [True, False])
def test_a_lost_answer_is_found_out(applied: bool) -> None:
    world = World()
    step = world.journal.after if applied else world.journal.before
    step("log.append", lost)
    stored = store(world, *(world.event("acme") for _ in range(10)))
    assert stored == [Stored.SAME if applied else Stored.NEW] * 10
    assert store(world, world.event("acme")) == [Stored.NEW]
    assert len(world.log.stored_events()) == 11
    world.check()


def test_a_late_landing_request_leaves_partials_equal_to_events() -> None:
    """The first transaction is thought lost, and lands after the second was stored."""
    world = World()
    held: list[UsageBatch] = []

    def hold(call: Call) -> None:
        batch = call.arguments[0]
        assert isinstance(batch, UsageBatch)
        held.append(batch)
        raise Unavailable("no answer")

    world.journal.before("log.append", hold)
    store(world, world.event("acme", 3), world.event("acme", 4))
    assert isinstance(world.log.append(held[0]), EventExists)
    world.check()


def test_a_late_landing_request_that_wins_makes_the_second_a_duplicate() -> None:
    world = World()

    def hold(call: Call) -> None:
        batch = call.arguments[0]
        assert isinstance(batch, UsageBatch)
        world.journal.before("log.append", lambda _: assert_appended(world, batch))
        raise Unavailable("no answer")

    world.journal.before("log.append", hold)
    assert store(world, world.event("acme", 3), world.event("acme", 4)) == [Stored.SAME] * 2
    world.check()


def assert_appended(world: World, batch: UsageBatch) -> None:
    assert isinstance(world.log.append(batch), Appended)


def test_throttled_is_not_repeated_here() -> None:
    world = World()
    world.journal.before("log.append", busy)
    made = entries([world.event("acme"), world.event("acme")])
    world.process.writer.store(made)
    assert [type(entry.failure) for _, entry in made] == [Throttled, Throttled]
    assert world.journal.count("log.append") == 1


def test_a_transaction_refused_in_the_middle_keeps_what_was_stored() -> None:
    world = World()
    world.journal.before("log.append", busy, nth=2)
    made = entries([world.event("acme") for _ in range(250)])
    world.process.writer.store(made)
    stored = [entry for _, entry in made if entry.stored is Stored.NEW]
    assert len(stored) == len(world.log.stored_events()) == 98
    assert all(entry.failure for _, entry in made if entry not in stored)
    world.check()


def test_a_lookup_that_fails_is_not_decided() -> None:
    world = World()
    event = world.event("acme")
    store(world, event)
    world.journal.before("log.payload_hashes", lost)
    made = entries([event, *(world.event("acme") for _ in range(FEW))])
    world.process.writer.store(made)
    assert [entry.stored for _, entry in made] == [None, *[Stored.NEW] * FEW]
    assert isinstance(made[0][1].failure, Unavailable)
    world.check()


def test_two_processes_write_the_same_cell_without_contending() -> None:
    world = World()
    other = world.boot()
    for _ in range(5):
        store(world, world.event("acme", 2))
        write(other, world.event("acme", 3))
    assert world.journal.count("log.append") == 10
    assert len(world.log.stored_events()) == 10
    world.check()


def test_a_process_that_takes_over_after_a_crash_starts_its_own_partials() -> None:
    world = World()
    store(world, *(world.event("acme") for _ in range(5)))
    world.process = world.boot()
    store(world, *(world.event("acme") for _ in range(5)))
    writers = {batch.writer for batch in transactions(world)}
    assert len(writers) == 2
    world.check()


def test_a_writer_id_in_use_is_left_alone() -> None:
    """Two processes drew the same id: versions tell, and the later one moves on."""
    world = World()
    store(world, world.event("acme", 5))
    twin = World(clock=world.clock, log=world.log)
    store(twin, twin.event("acme", 7, id_="other"))
    assert {batch.writer for batch in transactions(twin)} != {
        batch.writer for batch in transactions(world)
    }
    world.check()


def test_another_exception_decides_nothing() -> None:
    world = World()

    def broken(_: Call) -> None:
        raise ZeroDivisionError

    world.journal.before("log.append", broken)
    made = entries([world.event("acme", id_="a"), world.event("acme", id_="a")])
    with pytest.raises(ZeroDivisionError):
        world.process.writer.store(made)
    assert [entry.stored for _, entry in made] == [None, None]
    assert all(isinstance(entry.failure, Unavailable) for _, entry in made)


def test_a_repetition_of_what_is_stored_beside_a_wrong_one() -> None:
    """The request says the id twice; the one that was stored before is no fault."""
    world = World()
    store(world, world.event("acme", 1, id_="a"))
    wrong, right, other = (world.event("acme", n, id_="a") for n in (2, 1, 3))
    answers = store(world, wrong, right, wrong, other, right)
    different, same = Stored.DIFFERENT, Stored.SAME
    assert answers == [different, same, different, different, same]


# --- what is larger than its estimate, and storage that contradicts itself


def too_large(when: Callable[[UsageBatch], bool]) -> Callable[[Call], None]:
    """Storage that finds some batches too large, whatever their weight was thought to be."""

    def step(call: Call) -> None:
        batch = call.arguments[0] if call.name == "log.append" else None
        if isinstance(batch, UsageBatch) and when(batch):
            raise TooLarge("more than a transaction takes")

    return step


def test_a_batch_that_proves_too_large_is_sent_in_parts() -> None:
    world = World()
    world.journal.always = too_large(lambda batch: len(batch.events) > 10)
    assert store(world, *(world.event("acme") for _ in range(98))) == [Stored.NEW] * 98
    world.check()


def test_an_event_too_large_alone_costs_its_neighbours_nothing() -> None:
    world = World()
    for account in ("acme", "zeta"):
        world.account(account)
    odd = world.event("acme", id_="odd")
    world.journal.always = too_large(lambda batch: any(r.event.id == "odd" for r in batch.events))
    others = [world.event(account) for account in ("acme", "zeta") for _ in range(60)]
    results = world.send(*others[:50], odd, *others[50:], odd)
    refused = [result for result in results if result.outcome is Outcome.INVALID]
    assert [(r.id, r.errors[0].pointer) for r in refused] == [("odd", "/data")] * 2
    assert sum(result.outcome is Outcome.ACCEPTED for result in results) == 120
    world.check()


def test_a_partial_that_grew_too_large_is_left_for_a_new_one() -> None:
    world = World()
    world.journal.always = too_large(
        lambda batch: any(write.partial.events > 3 for write in batch.partials)
    )
    assert store(world, *(world.event("acme") for _ in range(20))) == [Stored.NEW] * 20
    world.check()


class Contradicting(FakeUsageLog):
    """Names conflicts with what is not there."""

    def __init__(self, answer: AppendAnswer) -> None:
        super().__init__()
        self.answer = answer
        self.asked = 0

    def append(self, batch: UsageBatch) -> AppendAnswer:  # noqa: ARG002 - the port's
        self.asked += 1
        return self.answer if self.asked < 50 else Appended(())


@pytest.mark.parametrize("answer", [EventExists(0), PartialMoved(0)])
def test_conflicts_that_decide_nothing_end(answer: AppendAnswer) -> None:
    log = Contradicting(answer)
    world = World(log=log)
    made = entries([world.event("acme") for _ in range(3)])
    world.process.writer.store(made)
    assert all(isinstance(entry.failure, Unavailable) for _, entry in made)
    assert log.asked == 3


# --- requests that share a lane


def test_what_arrives_while_a_lane_is_drained_is_left_to_another_task() -> None:
    world, tasks = World(), FakeTasks()
    mine, theirs = (entry_of(world.event("acme")) for _ in range(2))
    log = tap(world.log, "log", world.journal)
    lane = Lane(START.date(), shard_of(mine.row.account), "b-", tasks, log, world.clock)
    first, second = Request(tasks, 1), Request(tasks, 1)
    beside: list[bool] = []
    world.journal.before("log.append", lambda _: beside.append(lane.queue(second, [theirs])))
    assert lane.queue(first, [mine])
    lane.drain()
    first.wait()
    assert beside == [False]
    assert [mine.stored, theirs.stored] == [Stored.NEW, None]
    second.wait()
    assert theirs.stored is Stored.NEW
    assert not tasks.started
    assert lane.queue(Request(tasks, 1), [])


def test_a_breakdown_is_told_to_every_request_that_waits_for_it() -> None:
    world, tasks = World(), FakeTasks()

    def broken(_: Call) -> None:
        raise ZeroDivisionError

    mine, theirs = (entry_of(world.event("acme")) for _ in range(2))
    log = tap(world.log, "log", world.journal)
    lane = Lane(START.date(), shard_of(mine.row.account), "b-", tasks, log, world.clock)
    requests = [Request(tasks, 1) for _ in range(2)]
    for request, entry in zip(requests, (mine, theirs), strict=True):
        lane.queue(request, [entry])
    world.journal.before("log.append", broken)
    lane.drain()
    for request in requests:
        with pytest.raises(ZeroDivisionError):
            request.wait()
    assert write(world.boot(), mine.row.event) == [Stored.NEW]


class Held(FakeUsageLog):
    """A shard of it gives no answer until it is let go."""

    def __init__(self, shard: Shard) -> None:
        super().__init__()
        self.shard = shard
        self.reached, self.go = threading.Event(), threading.Event()

    def append(self, batch: UsageBatch) -> AppendAnswer:
        if batch.shard == self.shard:
            self.reached.set()
            assert self.go.wait(20)
        return super().append(batch)


def test_a_slow_shard_holds_up_no_other() -> None:
    slow, quick, other = Shard(1), Shard(2), Shard(3)
    world, log = World(), Held(slow)
    writer = UsageWriter(log, world.clock, ThreadTasks(2), "boot")

    def begin(*shards: Shard) -> threading.Thread:
        own = [(shard, entry_of(world.event(f"a{shard}"))) for shard in shards]
        thread = threading.Thread(target=writer.store, args=(own,))
        thread.start()
        return thread

    waiting = [begin(slow)]
    assert log.reached.wait(20)
    waiting += [begin(quick, slow) for _ in range(6)]
    free = begin(quick, other)
    free.join(10)
    held = free.is_alive()
    log.go.set()
    for thread in (*waiting, free):
        thread.join(20)
    assert not held
    assert len(log.stored_events()) == 15


def accounts_in(shard: int, count: int) -> list[str]:
    """Codes of accounts whose usage goes to ``shard``."""
    codes = (f"a{n}" for n in range(10_000))
    return list(islice((c for c in codes if shard_of(AccountCode(c)) == shard), count))


def test_lanes_unused_for_longest_are_forgotten_once_memory_runs_out() -> None:
    world = World()
    log = tap(world.log, "log", world.journal)
    writer = UsageWriter(log, world.clock, FakeTasks(), "boot", memory=16_000)

    def use(shard: int, count: int = 1) -> str:
        writer.store(entries([world.event(code) for code in accounts_in(shard, count)]))
        return transactions(world)[-1].writer

    small, large = use(1), use(2, 10)
    use(3)
    assert use(2) == large
    again = use(1)
    assert again != small
    assert use(1) == again
    world.check()


def test_a_lane_too_large_for_memory_is_forgotten_too() -> None:
    world = World()
    writer = UsageWriter(world.log, world.clock, FakeTasks(), "boot", memory=2_000)
    for count in (2, 3, 4):
        made = entries([world.event(code) for code in accounts_in(1, count)])
        writer.store(made)
        assert [entry.stored for _, entry in made] == [Stored.NEW] * count
    world.check()


# --- everything at once

FAULTS: list[Callable[[World], object]] = [
    lambda world: world.journal.before("log.append", lost),
    lambda world: world.journal.after("log.append", lost),
    lambda world: world.journal.before("log.append", busy),
    lambda world: world.journal.before("log.payload_hashes", lost),
    lambda world: setattr(world, "process", world.boot()),
    lambda world: world.clock.advance(20 * MINUTE),
]
REQUEST = st.lists(
    st.tuples(st.sampled_from(["acme", "zeta"]), st.integers(0, 12), st.integers(1, 2)),
    min_size=1,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([None, *FAULTS]), REQUEST), max_size=12))
def test_partials_equal_events_and_answers_are_true(
    history: list[tuple[Callable[[World], object] | None, list[tuple[str, int, int]]]],
) -> None:
    world = World()
    for account in ("acme", "zeta"):
        world.account(account)
    acknowledged: dict[tuple[str, str], object] = {}
    for fault, request in history:
        if fault is not None:
            fault(world)
        events = [world.event(a, n, id_=str(i), time=START) for a, i, n in request]
        try:
            results = world.send(*events)
        except (Throttled, Unavailable):
            world.check()
            continue
        for event, result in zip(events, results, strict=True):
            identity = (event.account, event.id)
            if result.outcome is Outcome.INVALID:
                assert identity not in acknowledged or acknowledged[identity] != event.data["n"]
            else:
                assert acknowledged.setdefault(identity, event.data["n"]) == event.data["n"]
        world.check()
    stored = {(r.account, r.event.id): r.event.data["n"] for r in world.log.stored_events()}
    assert acknowledged.items() <= stored.items()
