"""./dev bench soak: hosts killed and everything failing for a while; then every cent must be right.

Real hosts, broker, Marketplace simulator and storage emulator, all on loopback. The emulator is
kept alive: unlike Azure it loses what it has acknowledged when it is killed.
"""

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import requests
import yaml

from local.azurite.process import AzuriteMissing
from local.clients import CallFailed, checked
from local.due import Document, due_units
from local.processes import ProcessFailed
from local.samples.files import CATALOG
from local.usage_queue import UsageQueue
from tests.benchmarks.parts.arena import Arena, arena
from tests.benchmarks.parts.chaos import FailingMarketplace, FailingStorage, Killer
from tests.benchmarks.parts.relay import Fate
from tests.benchmarks.parts.writers import HttpWriter, QueueWriter, Source, Truth

HOSTS = 2
PLANS = ("standard", "scale")
HOUR = timedelta(hours=1)
RUN_AT = timedelta(minutes=6)
"""Just after the minute at which the hosts' timers start a run."""

AGAIN = 0.4
"""The share of hours in which another run is asked for while the first is on its way."""

LATE_HOURS = 60
"""Room before the end of a month, for the soak and for what settles only after two days."""
SETTLING_HOURS = 80
QUIET_HOURS = 2
"""So many more runs must change nothing."""

OUTAGE_FROM = 5.0
OUTAGE_HOURS = 27
"""A soak of that many minutes has an outage longer than usage may be reported late."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides; ``hour`` are the seconds that an hour takes at least."""

    minutes: float
    seed: int
    accounts: int
    writers: int
    hour: float


@dataclass(frozen=True, slots=True)
class Bill:
    """Units due for what was acknowledged, and units the Marketplace accepted, by account."""

    due: dict[str, int]
    accepted: dict[str, int]

    @property
    def lost(self) -> int:
        """Units that were not billed."""
        return sum(max(0, due - self.accepted.get(a, 0)) for a, due in self.due.items())

    @property
    def doubled(self) -> int:
        """Units that were billed and not due."""
        accounts = self.due.keys() | self.accepted.keys()
        return sum(max(0, self.accepted.get(a, 0) - self.due.get(a, 0)) for a in accounts)

    @property
    def right(self) -> bool:
        """Whether every account was billed to the unit."""
        return self.lost == self.doubled == 0


class Soak:
    """One soak, act by act."""

    def __init__(self, on: Arena, storage: FailingStorage, options: Options) -> None:
        self._on = on
        self._storage = storage
        self._options = options
        self._random = random.Random(options.seed)
        self._simulator = on.stack.simulator
        self._staff = on.stack.administrator()
        self._market = FailingMarketplace(
            on.stack.simulator, random.Random(options.seed + 1), threading.Event()
        )
        self._plans: dict[str, str] = {}
        self._catalog: Document = yaml.safe_load(CATALOG.read_bytes())
        self.hours = 0
        self.settling = 0
        self.truth = Truth((), self._simulator.now())

    def prepare(self) -> str:
        """Catalogue, customers and an API key, early enough in a month."""
        staff = self._staff
        now = self._simulator.now()
        hours = SETTLING_HOURS + LATE_HOURS + self._options.minutes * 60 / self._options.hour
        if (now + hours * HOUR).month != now.month:
            month = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
            self._simulator.advance_to(month)
        self._simulator.advance_to(_hour(self._simulator.now()) + HOUR + timedelta(minutes=10))
        checked(staff.send("PUT", "/api/catalog", CATALOG.read_bytes(), "application/yaml"))
        for number in range(self._options.accounts):
            plan = PLANS[number % len(PLANS)]
            account, landing_page = self._simulator.buy(plan, f"Customer {number}")
            staff.confirm(landing_page)
            self._plans[account] = plan
        # Storage tells its time in whole seconds, so a start can lie a little after this clock.
        since = self._simulator.now() + timedelta(seconds=3)
        self._simulator.advance_to(since)
        self.truth = Truth(tuple(self._plans), since)
        order = json.dumps({"name": "soak", "rights": ["Usage.Write"]}).encode()
        return str(checked(staff.send("POST", "/api/serviceusers", order))["key"])

    def storm(self, key: str) -> None:
        """Usage, runs, kills and faults at the same time, until the time is over."""
        with self._writing(key), self._failing():
            end = time.monotonic() + self._options.minutes * 60
            outage = self._outage_hours() if self._options.minutes >= OUTAGE_FROM else range(0)
            while time.monotonic() < end:
                self.hours += 1
                if self.hours == outage.start + 1 and outage:
                    self._market.begin_outage()
                self._let_an_hour_pass()
                if self.hours == outage.stop and outage:
                    self._market.calm()

    def settle(self) -> Bill:
        """Let everything that is under way end, hour by hour; the bill when it is right, or
        when it has had its time."""
        with UsageQueue(self._on.stack.service_bus) as queue:
            queue.wait_empty()
        quiet = 0
        while True:
            self._run_an_hour()
            self.settling += 1
            bill = self.bill()
            quiet = quiet + 1 if bill.right else 0
            if quiet > QUIET_HOURS or self.settling >= SETTLING_HOURS:
                return bill

    def bill(self) -> Bill:
        """What is due by a computation that shares nothing with the product's, and accepted."""
        now = self._simulator.now()
        due = {
            account: due_units(self.truth.used.get(account, ()), self._catalog, plan, now)
            for account, plan in self._plans.items()
        }
        return Bill(due, self._simulator.accepted())

    def report(self, bill: Bill) -> bool:
        """Print the figures; whether all is right."""
        tape, truth = self._on.relay.tape, self.truth
        print(f"\n{self.hours} hours of storm, {self.settling} until all was quiet")
        print(f"kills of a host: {truth.counts['kills']}, of {len(self._on.hosts)} hosts")
        for name in sorted(truth.counts.keys() - {"kills"}):
            print(f"{name}: {truth.counts[name]:,}")
        for fate in (Fate.LOST, Fate.UNANSWERED, Fate.LATE):
            print(f"storage, {fate}: {tape.fates[fate]} of {tape.fates.total():,} requests")
        for fault, number in sorted(self._market.struck().items()):
            print(f"{fault}: {number}")
        submissions = len(self._simulator.get("/usage"))
        print(f"submissions accepted by the Marketplace: {submissions:,}")
        print(f"calls of the metering API: {self._simulator.metering_calls():,}")
        print(f"\n{'account':<38} {'events':>8} {'due':>8} {'accepted':>8}")
        for account, due in bill.due.items():
            events = len(truth.used.get(account, ()))
            print(f"{account:<38} {events:>8,} {due:>8,} {bill.accepted.get(account, 0):>8,}")
        for fault in truth.faults:
            print(f"FAULT: {fault}")
        print(f"units lost: {bill.lost}, billed without being due: {bill.doubled}")
        return bill.right and not truth.faults and sum(bill.due.values()) > 0

    def _outage_hours(self) -> range:
        expected = self._options.minutes * 60 / self._options.hour
        begin = int(expected * 0.3)
        return range(begin, begin + OUTAGE_HOURS)

    def _let_an_hour_pass(self) -> None:
        """The timers of all hosts start a run each; sometimes another one is asked for."""
        next_hour = _hour(self._simulator.now()) + HOUR
        self._simulator.advance_to(next_hour + RUN_AT)
        pause = self._options.hour / 2
        time.sleep(pause)
        if self._random.random() < AGAIN:
            with contextlib.suppress(CallFailed, requests.RequestException):
                self._staff.send("POST", "/api/metering/run", b"{}", timeout=pause)
                self.truth.count("runs asked for besides the timers'")
        self._simulator.advance_to(next_hour + timedelta(minutes=self._random.randint(7, 59)))
        time.sleep(pause)

    def _run_an_hour(self) -> None:
        at = _hour(self._simulator.now()) + HOUR + RUN_AT
        self._simulator.advance_to(at)
        self._staff.wait_for_run(at - timedelta(minutes=1))

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        stopped, truth, stack = threading.Event(), self.truth, self._on.stack
        urls = [host.url for host in self._on.hosts]
        until: list[float] = []

        def source(name: str, number: int) -> Source:
            return Source(truth, stack._now, name, self._options.seed * 1_000 + number)

        def deadline() -> float:
            return until[0] if until else float("inf")

        runs: list[Callable[[], None]] = [
            HttpWriter(truth, source(f"http{n}", n), urls, key, stopped, deadline).run
            for n in range(self._options.writers)
        ]
        runs.append(QueueWriter(truth, source("queue", 99), stack.service_bus, stopped).run)
        threads = [threading.Thread(target=run) for run in runs]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            until.append(time.monotonic() + 60)
            stopped.set()
            for thread in threads:
                thread.join()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        stopped = self._market.stopped
        # Hosts are killed as often as they can be started again on a busy machine.
        pause = (2.0, 8.0) if self._options.minutes <= 2 else (4.0, 14.0)
        chance = random.Random(self._options.seed + 2)
        killer = Killer(self._on.hosts, self.truth, chance, stopped, pause)
        threads = [threading.Thread(target=killer.run), threading.Thread(target=self._market.run)]
        for thread in threads:
            thread.start()
        self._storage.active = True
        try:
            yield
        finally:
            self._storage.active = False
            stopped.set()
            for thread in threads:
                thread.join()


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def soak(options: Options, directory: Path) -> bool:
    """Run one; whether everything acknowledged was billed once."""
    storage = FailingStorage(options.seed + 3, share=0.015)
    with arena(directory, HOSTS, storage) as on:
        play = Soak(on, storage, options)
        play.storm(play.prepare())
        bill = play.settle()
        return play.report(bill)


def main(arguments: Sequence[str]) -> int:
    """Run the soak; 0 only if nothing was lost and nothing billed twice."""
    parser = argparse.ArgumentParser(
        prog="./dev bench soak",
        description="Two hosts, the broker, the Marketplace simulator and the storage emulator "
        "under load, while hosts are killed and everything fails; then what was billed is "
        "compared with what was due. The emulator itself is kept alive: it is not durable.",
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="draws load and faults")
    parser.add_argument("--accounts", type=int, default=6)
    parser.add_argument("--writers", type=int, default=3, help="that post over HTTP")
    parser.add_argument("--hour", type=float, default=4.0, help="seconds an hour takes at least")
    parser.add_argument("--keep", type=Path, help="where logs are left behind")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}: draws the same load and faults; processes meet as they will", flush=True)
    options = Options(given.minutes, seed, given.accounts, given.writers, given.hour)
    try:
        with contextlib.ExitStack() as stack:
            if given.keep is None:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            else:
                directory = given.keep.resolve()
                directory.mkdir(parents=True, exist_ok=True)
            return 0 if soak(options, directory) else 1
    except (AzuriteMissing, ProcessFailed, CallFailed) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
