"""Random histories with crashes, lost answers and faults at any call: never twice, never lost.

The seed is the test's id, so a failure repeats itself.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest

from shared.domain.errors import MeteringError, Throttled, Unavailable
from shared.domain.ids import AccountCode, SubscriptionId, all_shards
from shared.domain.period import HOUR
from shared.domain.usage.event import Outcome, UsageEvent
from tests.fakes.marketplace import Fault, LoseAnswer, LoseRequest, PartialBatch, Refuse, Throttle
from tests.services.taps import WRITES, Call
from tests.services.world import World

MARKETPLACE_FAULTS: list[Fault | None] = [
    LoseAnswer(),
    LoseRequest(),
    PartialBatch(1, applied=True),
    Refuse(403),
    Throttle(),
]


class Crash(BaseException):
    """The process is gone."""


class History:
    """A world, and what a seeded chance makes of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World()
        self.accounts = [self.world.customer() for _ in range(3)]
        self.sent: list[UsageEvent] = []
        self.acknowledged: dict[AccountCode, Decimal] = dict.fromkeys(self.accounts, Decimal(0))
        self.acts: list[Callable[[], None]] = [
            self.use,
            self.use,
            self.use_again,
            self.run,
            self.run,
            self.pass_time,
            self.trouble,
            self.suspend_or_reinstate,
        ]

    def play(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choice(self.acts)()
            self.world.check()

    # --- acts

    def use(self) -> None:
        """A request that is repeated, by a new process if need be, until it is acknowledged."""
        back = self.random.choice([0, 0, 0, 1, 30, 60])
        time = self.world.clock.now() - back * HOUR
        account = self.random.choice(self.accounts)
        sold = self.world.record(account).subscription
        assert sold is not None
        assert sold.start is not None
        number = self.random.choice([1, 5, 120])
        events = [
            self.world.event(account, self.random.randrange(1, 90), time=max(time, sold.start))
            for _ in range(number)
        ]
        self.deliver(events)
        self.sent += events
        for event in events:
            value = event.data["n"]
            assert isinstance(value, Decimal)
            self.acknowledged[account] += value

    def use_again(self) -> None:
        """A redelivery of anything that was sent before."""
        if self.sent:
            self.deliver(self.random.sample(self.sent, min(len(self.sent), 40)))

    def deliver(self, events: list[UsageEvent]) -> None:
        for _ in range(50):
            try:
                with_fault(self, lambda: self.world.process.ingest(events))
            except (Crash, Unavailable, Throttled):
                self.world.process = self.world.boot()
                continue
            return
        raise AssertionError("a request was never acknowledged")

    def run(self) -> None:
        for shard in all_shards():
            try:
                with_fault(self, lambda shard=shard: self.world.process.run_shard(shard))  # type: ignore[misc]  # bound here
            except (Crash, MeteringError):
                self.world.process = self.world.boot()

    def pass_time(self) -> None:
        self.world.clock.advance(self.random.choice([1, 7, 55, 120]) * timedelta(minutes=1))

    def trouble(self) -> None:
        """The metering API fails now and then, or not at all for a while."""
        chance = self.random.choice([0, 0.3, 1])
        draw, faults = Random(self.random.random()), MARKETPLACE_FAULTS
        self.world.marketplace.decide = lambda call: (
            draw.choice(faults) if call == "send" and draw.random() < chance else None
        )

    def suspend_or_reinstate(self) -> None:
        account = SubscriptionId(self.random.choice(self.accounts))
        sold = self.world.marketplace.sold[account]
        act = self.world.marketplace.reinstate if sold.status == "Suspended" else (
            self.world.marketplace.suspend
        )  # fmt: skip
        act(account)
        self.world.clock.advance(timedelta(seconds=30))
        self.world.process.follow(account)

    # --- the end

    def heal(self) -> None:
        """Everything works again, for as long as doubts take to be settled."""
        self.world.marketplace.decide = lambda _: None
        for account in self.accounts:
            id_ = SubscriptionId(account)
            if self.world.marketplace.sold[id_].status == "Suspended":
                self.world.marketplace.reinstate(id_)
                self.world.clock.advance(timedelta(seconds=30))
            self.world.process.follow(id_)
        self.world.next_run(80)


def with_fault(history: History, work: Callable[[], object]) -> None:
    """Do ``work`` with a crash, a lost answer or nothing at some call of it."""
    random, journal = history.random, history.world.journal
    fault, at = random.choice(["none", "crash", "lost", "busy"]), random.randrange(30)
    seen = 0

    def strike(call: Call) -> None:
        nonlocal seen
        seen += 1
        if seen != at + 1 or call.name.startswith("marketplace."):
            return
        match fault:
            case "crash":
                raise Crash
            case "busy":
                raise Throttled("busy")
            case "lost" if call.name in WRITES:
                journal.after(call.name, lost)

    journal.always = strike
    try:
        work()
    finally:
        journal.always = None
        journal.forget_steps()


def lost(_: Call) -> None:
    raise Unavailable("no answer")


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_everything_is_billed_once(seed: int) -> None:
    history = History(seed)
    history.play(40)
    history.heal()
    world = history.world
    for account in history.accounts:
        assert world.billed(account) == history.acknowledged[account]
        row = world.rows(account)
        assert all(r.committed == r.rated == history.acknowledged[account] for r in row.values())
    world.journal.forget()
    world.run()
    assert world.journal.writes == {"runs.complete": 16}


def test_a_history_acknowledges_what_is_stored() -> None:
    history = History(7)
    history.play(30)
    stored = history.world.log.stored_events()
    assert {row.event.id for row in stored} == {event.id for event in history.sent}
    assert all(r.outcome is Outcome.DUPLICATE for r in history.world.send(*history.sent))
