"""./dev bench transactions: what the product asks of Table storage, counted at the wire."""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.azurite.process import AzuriteMissing
from local.clients import Simulator
from shared.bootstrap import App
from shared.domain.ids import SHARDS, all_shards
from shared.domain.usage.event import Outcome
from tests.benchmarks.parts.relay import Tape
from tests.benchmarks.parts.stage import Stage, events_of, post, stage

EVENTS = 1_000
REDELIVERED = 99
CHANGED = 20
IDLE_OPERATIONS = 8
CATALOGUE_READS = 2
REDELIVERY_TRANSACTIONS = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A thousand events of accounts drawn at random from ``accounts``, and what they may cost."""

    accounts: int
    transactions: int


CASES = (Case(1, 11), Case(1_000, 28), Case(100_000, 34))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: requests by kind, and whether they are what is allowed."""

    what: str
    tape: Tape
    allowed: str = ""
    within: bool = True

    @property
    def other(self) -> int:
        """Requests that are neither transactions nor reads."""
        return len(self.tape.exchanges) - self.tape.transactions - self.tape.reads


@dataclass(frozen=True, slots=True)
class Runs:
    """Hourly runs of all shards: one with ``changed`` accounts, and one with nothing new.

    ``calls`` are calls of the Marketplace's metering API in each.
    """

    changed: int
    busy: Tape
    busy_calls: int
    idle: Sequence[Tape]
    idle_calls: int

    @property
    def idle_total(self) -> Tape:
        """What all idle shards asked for together."""
        return Tape([exchange for tape in self.idle for exchange in tape.exchanges])

    @property
    def reads_an_account(self) -> float:
        """Reads beyond an idle run's and those of the catalogue, by changed account."""
        extra = self.busy.reads - self.idle_total.reads - CATALOGUE_READS
        return extra / self.changed

    @property
    def writes_an_account(self) -> float:
        """Transactions beyond an idle run's, by changed account."""
        return (self.busy.transactions - self.idle_total.transactions) / self.changed

    @property
    def worst_idle(self) -> int:
        """Operations of the idle shard that needed most."""
        return max(len(tape.exchanges) for tape in self.idle)


def draw(accounts: int, seed: int) -> list[str]:
    """The account of each of a thousand events, each account as likely as another."""
    chosen = random.Random(seed)
    return [f"of-{accounts}-{chosen.randrange(accounts)}" for _ in range(EVENTS)]


def ingestion(on: Stage, case: Case, seed: int) -> Line:
    """A thousand new events of accounts that all had events in the same hour before."""
    drawn = draw(case.accounts, seed)
    distinct = sorted(set(drawn))
    on.make_accounts(distinct)
    app = on.boot()
    moment = on.to_minute(20)
    post(app, events_of(distinct, moment))
    on.relay.tape.cut()
    post(app, events_of(drawn, moment))
    tape = on.relay.tape.cut()
    name = f"1,000 new events of {case.accounts:,} account{'s' * (case.accounts > 1)}"
    within = tape.transactions <= case.transactions and tape.reads == 0
    return Line(name, tape, f"{case.transactions} transactions, no reads", within)


def first_contact(on: Stage, case: Case, seed: int) -> Line:
    """The events of ``ingestion`` once more with new ids, to a process that knows no account."""
    app = on.boot()
    on.relay.tape.cut()
    post(app, events_of(draw(case.accounts, seed), on.clock.now()))
    tape = on.relay.tape.cut()
    return Line(
        f"the same to a new process ({len(set(draw(case.accounts, seed)))} accounts)",
        tape,
        "one read an account, every 30 s",
    )


def redelivery(on: Stage) -> Line:
    """Everything a second time, to a process that does not remember the first."""
    on.make_accounts(["repeated"])
    events = events_of(["repeated"] * REDELIVERED, on.to_minute(20))
    post(on.boot(), events)
    other = on.boot()
    post(other, events_of(["repeated"], on.clock.now()))
    on.relay.tape.cut()
    post(other, events, Outcome.DUPLICATE)
    tape = on.relay.tape.cut()
    within = tape.transactions <= REDELIVERY_TRANSACTIONS and tape.reads <= REDELIVERED
    allowed = f"{REDELIVERY_TRANSACTIONS} transactions, {REDELIVERED} reads"
    return Line(f"{REDELIVERED} events delivered again", tape, allowed, within)


def runs(on: Stage, changed: int) -> Runs:
    """Buy, use and bill; each run an hour after the one before, by a process that just began."""
    app = on.boot()
    simulator = Simulator(on.marketplace)
    on.to_minute(10)
    accounts = on.buy(app, changed)
    on.to_minute(6)
    _run(on.boot())
    post(app, events_of(accounts * 3, on.clock.now()))
    on.to_minute(6)
    calls = simulator.metering_calls()
    on.relay.tape.cut()
    _run(on.boot())
    busy, busy_calls = on.relay.tape.cut(), simulator.metering_calls() - calls
    on.to_minute(6)
    _run(on.boot())
    calls = simulator.metering_calls()
    worker, idle = on.boot(), []
    on.to_minute(6)
    for shard in all_shards():
        on.relay.tape.cut()
        worker.run_shard(shard)
        idle.append(on.relay.tape.cut())
    return Runs(changed, busy, busy_calls, idle, simulator.metering_calls() - calls)


def _run(app: App) -> None:
    for shard in all_shards():
        app.run_shard(shard)


def _lines_of(made: Runs) -> list[Line]:
    idle = made.idle_total
    quiet = idle.transactions == SHARDS and made.idle_calls == 0
    return [
        Line(
            f"run of {SHARDS} shards, {made.changed} accounts changed",
            made.busy,
            f"{made.reads_an_account:.2f} reads, {made.writes_an_account:.2f} transactions an "
            f"account; {made.busy_calls} calls of the Marketplace",
        ),
        Line(
            f"run of {SHARDS} shards, nothing new",
            idle,
            f"{SHARDS} transactions; {made.idle_calls} calls of the Marketplace",
            quiet,
        ),
        Line(
            "idle shard",
            max(made.idle, key=lambda tape: len(tape.exchanges)),
            f"{IDLE_OPERATIONS} operations",
            made.worst_idle <= IDLE_OPERATIONS,
        ),
    ]


def main(arguments: Sequence[str]) -> int:
    """Count, print a table; 0 only if nothing costs more than it may."""
    parser = argparse.ArgumentParser(
        prog="./dev bench transactions",
        description="Count the requests the product sends to Table storage, at the wire.",
    )
    parser.add_argument("--seed", type=int, default=1, help="draws the accounts of events")
    seed: int = parser.parse_args(arguments).seed
    try:
        with tempfile.TemporaryDirectory() as directory, stage(Path(directory)) as on:
            on.load_catalog(on.boot())
            lines = _lines_of(runs(on, CHANGED))
            lines += [ingestion(on, case, seed) for case in CASES]
            lines.append(first_contact(on, CASES[-1], seed))
            lines.append(redelivery(on))
    except AzuriteMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{'':<44} {'transactions':>12} {'entities':>8} {'reads':>5} {'other':>5}  allowed")
    for line in lines:
        entities = sum(exchange.operations for exchange in line.tape.exchanges)
        print(
            f"{line.what:<44} {line.tape.transactions:>12} {entities:>8} {line.tape.reads:>5} "
            f"{line.other:>5}  {line.allowed}{'' if line.within else '  TOO MANY'}"
        )
    return 0 if all(line.within for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
