"""A process of the app in the simulation: the real services over wires to the shared stores."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import cast

from shared.domain.ids import AccountCode, Shard
from shared.services.activate import Activate
from shared.services.audit import Audit, TendTables
from shared.services.chronicle import Chronicle
from shared.services.daily import Daily
from shared.services.directory import CatalogCache, Directory
from shared.services.fold import Fold, Folded
from shared.services.follow_subscription import FollowSubscription
from shared.services.ingest_usage import IngestUsage
from shared.services.rate_account import RateAccount
from shared.services.reconcile_usage import ReconcileUsage
from shared.services.refund import RecordRefund
from shared.services.replay_parked import ReplayParked
from shared.services.run_shard import RunShard
from shared.services.runs import StartRun
from shared.services.set_up import SetUp
from shared.services.settle_uncertain import SettleUncertain
from shared.services.submit import Breaker, Submit
from shared.services.take_message import TakeMessage
from shared.services.usage_writer import UsageWriter
from tests.fakes.catalogs import FakeCatalogs
from tests.fakes.findings import FakeFindings
from tests.fakes.lifecycle import FakeAuditTrail
from tests.fakes.messages import FakeMessages
from tests.fakes.parking import FakeParking
from tests.fakes.refusals import FakeRefusals
from tests.simulation.chaos import Chaos, wire
from tests.simulation.scheduler import Instance, SimTasks
from tests.simulation.watch import (
    Watch,
    WatchedAccounts,
    WatchedDays,
    WatchedLedger,
    WatchedLog,
    WatchedMarketplace,
    WatchedRuns,
)

GRACE = timedelta(hours=2)
RETENTION = timedelta(days=42)


@dataclass(frozen=True, slots=True)
class Kit:
    """What a process is built from: a mutant exchanges a service, or puts a wrapper around a
    store."""

    writer: Callable[..., UsageWriter] = UsageWriter
    ingest: Callable[..., IngestUsage] = IngestUsage
    replay_parked: Callable[..., ReplayParked] = ReplayParked
    fold: Callable[..., Fold] = Fold
    rate_account: Callable[..., RateAccount] = RateAccount
    breaker: Callable[..., Breaker] = Breaker
    submit: Callable[..., Submit] = Submit
    settle_uncertain: Callable[..., SettleUncertain] = SettleUncertain
    run_shard: Callable[..., RunShard] = RunShard
    wrappers: Mapping[str, Callable[[object], object]] = field(default_factory=dict)

    def store[P](self, name: str, store: P) -> P:
        """``store``, or what a mutant puts before it."""
        wrapper = self.wrappers.get(name)
        return store if wrapper is None else cast("P", wrapper(store))


@dataclass(frozen=True, slots=True)
class Stores:
    """What outlives every process."""

    log: WatchedLog
    days: WatchedDays
    ledger: WatchedLedger
    accounts: WatchedAccounts
    catalogs: FakeCatalogs
    parking: FakeParking
    refusals: FakeRefusals
    findings: FakeFindings
    messages: FakeMessages
    runs: WatchedRuns
    marketplace: WatchedMarketplace


@dataclass(frozen=True, slots=True)
class Services:
    """All services of one process."""

    ingest: IngestUsage
    take_message: TakeMessage
    replay_parked: ReplayParked
    run_shard: RunShard
    start_run: StartRun
    activate: Activate
    follow: FollowSubscription
    refund: RecordRefund
    daily: Daily


class WatchedFold(Fold):
    """A fold that is judged when it returns."""

    def __init__(self, fold: Fold, watch: Watch) -> None:
        self._fold = fold
        self._watch = watch

    def __call__(
        self,
        shard: Shard,
        account: AccountCode,
        hours: Collection[datetime],
        span: tuple[date, date] | None,
    ) -> Folded:
        before = self._watch.stored_cells(account, hours)
        folded = self._fold(shard, account, hours, span)
        self._watch.fold_ended(before)
        return folded


def boot(stores: Stores, instance: Instance, chaos: Chaos, kit: Kit, watch: Watch) -> Services:
    """The services of a new process: empty memory, its own writer id."""

    def port[P](name: str, store: P) -> P:
        return wire(kit.store(name, store), name, instance, chaos)

    clock = instance.clock
    log = port("log", stores.log)
    ledger = port("ledger", stores.ledger)
    accounts = port("accounts", stores.accounts)
    parking = port("parking", stores.parking)
    messages = port("messages", stores.messages)
    marketplace = port("marketplace", stores.marketplace)
    runs = port("runs", stores.runs)
    cache = CatalogCache(port("catalogs", stores.catalogs), clock)
    writer = kit.writer(log, clock, SimTasks(instance), instance.name)
    ingest = kit.ingest(writer, Directory(accounts, cache, GRACE), cache, parking, clock)
    fold = WatchedFold(kit.fold(log, port("days", stores.days), cache, accounts), watch)
    rate = kit.rate_account(accounts, cache, fold, GRACE)
    findings = port("findings", stores.findings)
    submit = kit.submit(ledger, marketplace, kit.breaker(clock))
    settle = kit.settle_uncertain(ledger, marketplace, findings)
    audit = Audit(log, fold, ledger, findings, clock)
    chronicle = Chronicle(FakeAuditTrail(), messages)
    set_up = SetUp(marketplace, accounts, ledger, cache, clock, chronicle)
    return Services(
        ingest=ingest,
        take_message=TakeMessage(
            ingest, port("refusals", stores.refusals), messages, clock, instance.hub.pause
        ),
        replay_parked=kit.replay_parked(parking, ingest, messages, clock),
        run_shard=kit.run_shard(log, ledger, runs, rate, submit, settle, findings),
        start_run=StartRun(messages, runs, clock),
        activate=Activate(marketplace, set_up),
        follow=FollowSubscription(marketplace, accounts, ledger, cache, clock, chronicle),
        refund=RecordRefund(accounts, ledger, clock, FakeAuditTrail()),
        daily=Daily(
            audit,
            TendTables(log, audit, clock, RETENTION),
            ReconcileUsage(accounts, ledger, marketplace, findings),
            clock,
        ),
    )
