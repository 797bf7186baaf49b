"""./dev bench ingest: events a second through the whole product, beside what storage takes raw."""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from azure.data.tables import TableServiceClient

from local.azurite.process import AzuriteMissing
from local.clients import checked
from local.processes import Processes, ProcessFailed
from local.samples.files import CATALOG
from local.stack import Stack, running_stack
from shared.api.body import parse_json
from shared.api.usage import parse_event
from shared.config import Settings
from shared.domain.account import Account, AccountRecord
from shared.domain.ids import AccountCode, Shard, shard_of
from shared.domain.usage.event import UsageEvent, canonical_payload, payload_hash
from shared.ports import EventRow, UsageBatch
from shared.storage.accounts import TableAccounts
from shared.storage.keys import partition
from shared.storage.operations import Create, Done, Operation
from shared.storage.tables import Tables, open_tables
from shared.storage.usage_log import TableUsageLog
from tests.benchmarks.parts.hosts import HostOfStack
from tests.benchmarks.parts.load import Cpu, Endpoint, Events, drain, paced, quantile

PRODUCT = "product"
"""The host that is measured; it has as many threads as the template gives it in Azure."""

ENTITIES = 100
LATENCY_SECONDS = 10.0
LATENCY_THREADS = 32
TIMES_SDK = 4.0
SHARE_OF_BARE = 0.5


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides."""

    rounds: int
    events: int
    redelivered: int
    accounts: int
    clients: int
    large: int
    threads: int


@dataclass(slots=True)
class Series:
    """One way of writing: what it does, and what its rounds have shown.

    ``prepare`` makes ready to write so many events; what it returns writes them and gives the
    seconds that took.
    """

    name: str
    prepare: Callable[[int], Callable[[], float]]
    events: int
    rates: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Events a second, the median of all rounds."""
        return statistics.median(self.rates)

    def measure(self, cpu: Cpu) -> None:
        """One round."""
        run = self.prepare(self.events)
        before = cpu.read()
        self.rates.append(self.events / run())
        for name, used in cpu.read().items():
            self.cpu[name] = self.cpu.get(name, 0.0) + used - before[name]

    def microseconds(self, name: str) -> float:
        """Processor time of a process for each event."""
        return self.cpu[name] / (self.events * len(self.rates)) * 1e6


class _Notes:
    """Stands for tables and keeps what the usage log would have them do."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def table(self, _name: str) -> "_Notes":
        return self

    def transact(self, _partition: str, operations: Sequence[Operation]) -> Done:
        self.operations += operations
        return Done(("",) * len(operations))


def rows_of(raw: Sequence[Mapping[str, Any]]) -> list[Create]:
    """The very rows that the usage log makes of events."""
    parsed = parse_json(json.dumps(raw).encode())
    rows = []
    for item in cast(list[object], parsed):
        event = parse_event(item)
        if not isinstance(event, UsageEvent):
            raise TypeError(f"no event: {event.errors}")
        payload = canonical_payload(event)
        made = EventRow(event.account, event.key, payload_hash(payload), event, payload)
        rows.append(made)
    notes = _Notes()
    batch = UsageBatch(rows[0].event.day, Shard(0), "w", tuple(rows), (), ())
    TableUsageLog(cast(Tables, notes)).append(batch)
    return [operation for operation in notes.operations if isinstance(operation, Create)]


class Raw:
    """Writes the rows of events in transactions of a hundred, with nothing around it."""

    def __init__(self, stack: Stack, events: Events, threads: int) -> None:
        self._events = events
        self._threads = threads
        self._tables = open_tables(Settings(tables_connection=stack.tables))
        self._service = TableServiceClient.from_connection_string(stack.tables)
        self._numbers = itertools.count(1)
        shards = sorted({shard_of(AccountCode(account)) for account in events.accounts})
        self._partitions = itertools.cycle(map(partition, shards))

    def bare(self, events: int) -> Callable[[], float]:
        """By the product's own client: from operations to rows in a new table."""
        table = self._tables.table(f"Bare{next(self._numbers)}")
        table.make()

        def write(item: tuple[str, Sequence[Operation]]) -> None:
            if not isinstance(table.transact(*item), Done):
                raise TypeError("a raw row was there already")

        work = self._transactions(events)
        return lambda: drain(work, write, self._threads)

    def sdk(self, events: int) -> Callable[[], float]:
        """By the SDK: from entities to rows in a new table."""
        table = self._service.create_table(f"Sdk{next(self._numbers)}")
        work = [
            [
                ("create", {"PartitionKey": partition, "RowKey": row.row, **row.properties})
                for row in rows
            ]
            for partition, rows in self._transactions(events)
        ]

        def write(operations: list[tuple[str, dict[str, Any]]]) -> None:
            table.submit_transaction(operations)

        return lambda: drain(work, write, self._threads)

    def _transactions(self, events: int) -> list[tuple[str, list[Create]]]:
        taken = (self._events.take(ENTITIES) for _ in range(events // ENTITIES))
        return [(next(self._partitions), rows_of(raw)) for raw in taken]


def series(stack: Stack, endpoint: Endpoint, events: Events, options: Options) -> list[Series]:
    """The ways of writing, each able to write any number of events."""
    raw = Raw(stack, events, options.threads)

    def over_http(size: int, clients: int) -> Callable[[int], Callable[[], float]]:
        def prepare(count: int) -> Callable[[], float]:
            new_day(endpoint, events)
            bodies = events.bodies(count, size)
            return lambda: drain(bodies, endpoint.post, clients)

        return prepare

    def again(count: int) -> Callable[[], float]:
        new_day(endpoint, events)
        bodies = events.bodies(count, 100)
        drain(bodies, endpoint.post, options.clients)
        return lambda: drain(bodies, endpoint.post_again, options.clients)

    return [
        Series("http 100", over_http(100, options.clients), options.events),
        Series("sdk", raw.sdk, options.events),
        Series("http 1000", over_http(1_000, options.large), options.events),
        Series("bare", raw.bare, options.events),
        Series("again 100", again, options.redelivered),
    ]


def new_day(endpoint: Endpoint, events: Events) -> None:
    """Go on with a table in which every account has an event, a partial and a change mark."""
    endpoint.reconnect()
    events.next_day()
    count = len(events.accounts)
    endpoint.post(events.bodies(count, count)[0])


def prepare(stack: Stack, accounts: Sequence[str]) -> str:
    """Store catalogue and accounts; returns an API key."""
    staff = stack.administrator()
    checked(staff.send("PUT", "/api/catalog", CATALOG.read_bytes(), "application/yaml"))
    order = json.dumps({"name": "bench", "rights": ["Usage.Write"]}).encode()
    key = str(checked(staff.send("POST", "/api/serviceusers", order))["key"])
    tables = open_tables(Settings(tables_connection=stack.tables))
    stored = TableAccounts(tables)
    for account in accounts:
        stored.create(AccountRecord(Account(AccountCode(account))))
    tables.close()
    return key


def processes_of(processes: Processes) -> Cpu:
    """The processes whose time is counted."""
    pids = {child.name: child.process.pid for child in processes._children}
    return Cpu({"product": pids[PRODUCT], "storage": pids["storage"], "this process": os.getpid()})


def latencies(endpoint: Endpoint, events: Events, rate: float) -> list[float]:
    """Milliseconds of requests of 100 events, evenly spread, at ``rate`` events a second."""
    a_second = rate / 100
    new_day(endpoint, events)
    bodies = events.bodies(int(a_second * LATENCY_SECONDS) * 100, 100)
    return [1000 * taken for taken in paced(bodies, endpoint.post, a_second, LATENCY_THREADS)]


def show(measured: Sequence[Series], options: Options) -> bool:
    """Print the table; whether the targets are met."""
    print(f"events/s, {options.rounds} rounds in turn; processor time in µs an event")
    print(f"{'':<10} {'median':>7} {'least':>7} {'most':>7}   product  storage  this process")
    for one in measured:
        used = (one.microseconds(name) for name in ("product", "storage", "this process"))
        print(
            f"{one.name:<10} {one.rate:>7,.0f} {min(one.rates):>7,.0f} {max(one.rates):>7,.0f}   "
            "{:>7.0f}  {:>7.0f}  {:>12.0f}".format(*used)
        )
    rates = {one.name: one for one in measured}
    met = True
    for name in ("http 100", "http 1000"):
        for other, target in (("sdk", TIMES_SDK), ("bare", SHARE_OF_BARE)):
            pairs = zip(rates[name].rates, rates[other].rates, strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            met = met and ratio >= target
            print(f"{name} / {other}: {ratio:.2f} (at least {target:.1f})")
    return met


def bench(options: Options) -> bool:
    """Start everything, measure, print; whether the targets are met."""
    accounts = [f"customer-{number}" for number in range(options.accounts)]
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), lambda *_: None) as (stack, processes),
    ):
        host = HostOfStack.planned(stack, PRODUCT, {"PYTHON_THREADPOOL_THREAD_COUNT": "16"})
        host.start(processes, os.environ)
        endpoint = Endpoint(host.url, prepare(stack, accounts))
        events = Events(accounts, stack.simulator.now())
        measured = series(stack, endpoint, events, options)
        cpu = processes_of(processes)
        for one in measured:
            one.prepare(1_000)()
        for number in range(options.rounds):
            for one in measured[number % 2 :] + measured[: number % 2]:
                one.measure(cpu)
        met = show(measured, options)
        half = measured[0].rate / 2
        taken = latencies(endpoint, events, half)
        middle, high = quantile(taken, 0.5), quantile(taken, 0.99)
        print(
            f"a request of 100 events at {half:,.0f} events/s: p50 {middle:.0f} ms, "
            f"p99 {high:.0f} ms ({len(taken)} requests)"
        )
        processes.check()
    return met


def parse(arguments: Sequence[str]) -> Options:
    """The options; exits with a usage message for others."""
    parser = argparse.ArgumentParser(
        prog="./dev bench ingest",
        description="Measure events a second in turn: over HTTP through the whole product with "
        "100 and with 1,000 events a request, and with 100 that are stored already; rows of new "
        "events written in transactions of 100 by the Azure SDK, and by this product's own "
        "client, with nothing around them.",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=5_000, help="of a round, by thousands")
    parser.add_argument("--redelivered", type=int, default=2_000, help="events sent once more")
    parser.add_argument("--accounts", type=int, default=20, help="that share the events evenly")
    parser.add_argument("--clients", type=int, default=16, help="that send 100 events a request")
    parser.add_argument("--large", type=int, default=8, help="clients that send 1,000 a request")
    parser.add_argument("--threads", type=int, default=4, help="of the raw writers")
    given = parser.parse_args(arguments)
    return Options(**vars(given))


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; 0 only if the targets are met."""
    try:
        return 0 if bench(parse(arguments)) else 1
    except (AzuriteMissing, ProcessFailed) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
