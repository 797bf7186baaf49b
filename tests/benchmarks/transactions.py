"""./dev bench transactions: what the product asks of Table storage, counted at the wire."""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.ids import SHARDS, Shard, all_shards
from shared.domain.usage.event import Outcome
from tests.benchmarks.parts.relay import Tape
from tests.benchmarks.parts.stage import Stage, events_of, post, stage

EVENTS = 1_000
REDELIVERED = 99
CHANGED = 20
IDLE_OPERATIONS = 8
READS_A_CHANGED_ACCOUNT = 3
REDELIVERY_TRANSACTIONS = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A thousand events of accounts drawn at random from ``accounts``, and what they may cost."""

    accounts: int
    transactions: int


CASES = (Case(1, 11), Case(1_000, 28), Case(100_000, 34))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; ``within`` says whether the cost is what it may be at most."""

    what: str
    tape: Tape
    allowed: str
    within: bool

    @property
    def other(self) -> int:
        """Requests that are neither transactions nor reads."""
        return len(self.tape.exchanges) - self.tape.transactions - self.tape.reads


def draw(accounts: int, seed: int) -> list[str]:
    """The account of each of a thousand events, each account as likely as another."""
    chosen = random.Random(seed)
    return [f"of-{accounts}-{chosen.randrange(accounts)}" for _ in range(EVENTS)]


def ingestion(on: Stage, case: Case, seed: int) -> list[Line]:
    """New events of an hour in which every account was seen before, then half a minute later."""
    drawn = draw(case.accounts, seed)
    distinct = sorted(set(drawn))
    on.make_accounts(distinct)
    app = on.boot()
    moment = on.to_minute(20)
    for first in range(0, len(distinct), EVENTS):
        post(app, events_of(distinct[first : first + EVENTS], moment))
    on.relay.tape.cut()
    post(app, events_of(drawn, moment))
    tape = on.relay.tape.cut()
    name = f"1,000 new events, of {case.accounts:,} account{'s' * (case.accounts > 1)}"
    within = tape.transactions <= case.transactions and tape.reads == 0
    return [Line(name, tape, f"{case.transactions} + 0 reads", within)]


def redelivery(on: Stage) -> Line:
    """Everything a second time, by a process that does not remember the first."""
    on.make_accounts(["repeated"])
    events = events_of(["repeated"] * REDELIVERED, on.to_minute(20))
    post(on.boot(), events)
    other = on.boot()
    post(other, events_of(["repeated"], on.clock.now()))
    on.relay.tape.cut()
    post(other, events, Outcome.DUPLICATE)
    tape = on.relay.tape.cut()
    within = tape.transactions <= REDELIVERY_TRANSACTIONS and tape.reads <= REDELIVERED
    allowed = f"{REDELIVERY_TRANSACTIONS} + {REDELIVERED} reads"
    return Line(f"{REDELIVERED} events delivered again", tape, allowed, within)


def runs(on: Stage, changed: int) -> list[Line]:
    """Hourly runs of all shards: with changed accounts, and with nothing new."""
    app = on.boot()
    on.to_minute(10)
    accounts = on.buy(app, changed)
    _run_all(on)
    on.to_minute(10)
    _run_all(on)
    idle_before = _idle(on)
    post(app, events_of(accounts * 3, on.clock.now()))
    on.to_minute(6)
    on.relay.tape.cut()
    worker = on.boot()
    _run_all(on, worker)
    busy = on.relay.tape.cut()
    reads = (busy.reads - sum(tape.reads for tape in idle_before)) / changed
    line = Line(
        f"a run of {SHARDS} shards, {changed} accounts changed",
        busy,
        f"{READS_A_CHANGED_ACCOUNT} reads an account: {reads:.2f}",
        reads <= READS_A_CHANGED_ACCOUNT,
    )
    on.to_minute(6)
    on.to_minute(6)
    idle = max(_idle(on), key=lambda tape: len(tape.exchanges))
    allowed = f"{IDLE_OPERATIONS} operations"
    return [line, Line("an idle shard", idle, allowed, len(idle.exchanges) <= IDLE_OPERATIONS)]


def _run_all(on: Stage, app: object = None) -> None:
    worker = app or on.boot()
    for shard in all_shards():
        worker.run_shard(shard)


def _idle(on: Stage) -> list[Tape]:
    """A run of every shard, each by a process that has read the catalogue before."""
    worker = on.boot()
    worker.run_shard(Shard(0))
    tapes = []
    for shard in all_shards():
        on.relay.tape.cut()
        worker.run_shard(shard)
        tapes.append(on.relay.tape.cut())
    return tapes
