"""Everything the services need, in memory: stores that outlive processes, and the processes.

A ``World`` holds the clock, the stores and the Marketplace; ``boot`` starts a process with all
services over them. Nothing in it is random or runs by itself, so the same calls always give the
same history. ``check`` asserts what must hold at every step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import AmountBilling, MarketplacePlan, Plan, Pricing
from shared.domain.catalog.product import Product
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    FieldCode,
    MeterCode,
    PlanCode,
    ProductCode,
    Resource,
    Shard,
    SubscriptionId,
    all_shards,
    shard_of,
)
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.submission import Submission, SubmissionState
from shared.domain.money import ZERO
from shared.domain.period import HOUR, cell_of
from shared.domain.rating.charge import Band
from shared.domain.rating.models import QuantityModel
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.tiered import Tiered
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import Outcome, UsageEvent
from shared.domain.usage.partial import merged
from shared.ports import CatalogVersion, Etag, LedgerWrite, PutRow
from shared.services.activate import Activate
from shared.services.adopt import Adopt
from shared.services.answer_operation import AnswerOperation
from shared.services.audit import Audit
from shared.services.bills import ManageBills
from shared.services.catalog import PutCatalog
from shared.services.chronicle import Chronicle
from shared.services.directory import CatalogCache, Directory
from shared.services.erase_account import EraseAccount
from shared.services.explain import Explain
from shared.services.fold import Fold
from shared.services.follow_subscription import FollowSubscription
from shared.services.forward import Forward
from shared.services.handle_operation import HandleOperation
from shared.services.ingest_usage import EventResult, IngestUsage
from shared.services.parked import ParkedInput
from shared.services.publisher_actions import PublisherActions
from shared.services.queries import Queries
from shared.services.rate_account import RateAccount
from shared.services.receive_notice import ReceiveNotice
from shared.services.reconcile_subscriptions import ReconcileSubscriptions
from shared.services.refund import RecordRefund
from shared.services.replay_parked import ReplayParked
from shared.services.run_bills import RunBills
from shared.services.run_reaggregation import RunReaggregation
from shared.services.run_report import RunReport
from shared.services.run_shard import RunShard
from shared.services.runs import StartRun
from shared.services.set_up import SetUp
from shared.services.settle_uncertain import SettleUncertain
from shared.services.simulate import Simulate
from shared.services.submit import Breaker, Submit
from shared.services.subscription_queries import SubscriptionQueries
from shared.services.take_message import TakeMessage
from shared.services.usage_writer import UsageWriter
from tests.fakes.accounts import FakeAccounts
from tests.fakes.bills import FakeBills
from tests.fakes.catalogs import FakeCatalogs
from tests.fakes.clock import FakeClock
from tests.fakes.findings import FakeFindings
from tests.fakes.ledger import FakeLedger
from tests.fakes.lifecycle import (
    FakeAuditTrail,
    FakeCheckpoints,
    FakeForwarder,
    FakeOperations,
)
from tests.fakes.marketplace import FakeMarketplace
from tests.fakes.messages import FakeMessages
from tests.fakes.parking import FakeParking
from tests.fakes.reaggregations import FakeReaggregations
from tests.fakes.refusals import FakeRefusals
from tests.fakes.runs import FakeRuns
from tests.fakes.tasks import FakeTasks
from tests.fakes.usage_days import FakeUsageDays
from tests.fakes.usage_log import FakeUsageLog
from tests.services.taps import Journal, tap

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
TOKENS = MeterCode("tokens")
OFFER = "contoso-ai"
GRACE = timedelta(hours=2)
LONG = timedelta(days=60)
MAX_QUANTITY = 1000

CHEAP: QuantityModel = PerUnit(Decimal("0.01"))
TIERS: QuantityModel = Tiered(
    (
        Band(Decimal("0.10"), Decimal(1000)),
        Band(Decimal("0.05"), Decimal(5000)),
        Band(Decimal("0.02")),
    )
)


def plan_of(
    code: str, charge: QuantityModel, sold_as: str, billing: AmountBilling | None = None
) -> Plan:
    """A monthly plan that prices the sum of tokens."""
    return Plan(
        PlanCode(code),
        ProductCode("ai"),
        (Pricing(AggregationCode("total"), charge),),
        (MarketplacePlan(OFFER, sold_as),),
        billing or AmountBilling(),
    )


def catalog_of(*plans: Plan, zone: str = "UTC") -> Catalog:
    """A catalogue with one meter, whose tokens are summed and priced by ``plans``."""
    return Catalog(
        Organization("contoso", zone, epoch=date(2026, 1, 1)),
        (Product(ProductCode("ai")),),
        (Meter(TOKENS, (DataField(FieldCode("n"), FieldCategory.MEASURE),)),),
        (
            Aggregation(
                AggregationCode("total"), TOKENS, AggregationType.SUM, FieldCode("n"), unit="token"
            ),
        ),
        plans,
    )


BASIC = plan_of("basic", CHEAP, "standard")
TIERED = plan_of("tiered", TIERS, "scale")
CATALOG = catalog_of(BASIC, TIERED)


class WatchedLedger(FakeLedger):
    """Remembers the greatest rated total that was ever written for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.highest: dict[LedgerKey, Decimal] = {}

    def write(self, shard: Shard, writes: Sequence[LedgerWrite]) -> list[Etag]:
        etags = super().write(shard, writes)
        for write in writes:
            if isinstance(write, PutRow):
                key, rated = write.row.key, write.row.rated
                self.highest[key] = max(rated, self.highest.get(key, ZERO))
        return etags


@dataclass(frozen=True, slots=True)
class Process:
    """All services of one process, over the world's stores."""

    ingest: IngestUsage
    writer: UsageWriter
    take_message: TakeMessage
    replay_parked: ReplayParked
    fold: Fold
    rate_account: RateAccount
    submit: Submit
    run_shard: RunShard
    audit: Audit
    refund: RecordRefund
    start_run: StartRun
    activate: Activate
    receive_notice: ReceiveNotice
    follow: FollowSubscription
    handle: HandleOperation
    reconcile: ReconcileSubscriptions
    actions: PublisherActions
    adopt: Adopt
    erase: EraseAccount
    forward: Forward
    subscriptions: SubscriptionQueries
    put_catalog: PutCatalog
    run_reaggregation: RunReaggregation
    queries: Queries
    parked_input: ParkedInput
    bills: ManageBills
    run_bills: RunBills
    simulate: Simulate
    explain: Explain


@dataclass(slots=True)
class World:
    """Time, stores, the Marketplace, and the one process that convenience methods use.

    ``journal`` sees the calls of every process; ``slept`` are the seconds they would have waited.
    """

    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    grace: timedelta = GRACE
    journal: Journal = field(default_factory=Journal)
    slept: list[float] = field(default_factory=list)
    log: FakeUsageLog = field(default_factory=FakeUsageLog)
    days: FakeUsageDays = field(default_factory=FakeUsageDays)
    ledger: WatchedLedger = field(default_factory=WatchedLedger)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    catalogs: FakeCatalogs = field(default_factory=FakeCatalogs)
    parking: FakeParking = field(default_factory=FakeParking)
    refusals: FakeRefusals = field(default_factory=FakeRefusals)
    findings: FakeFindings = field(default_factory=FakeFindings)
    messages: FakeMessages = field(default_factory=FakeMessages)
    operations: FakeOperations = field(default_factory=FakeOperations)
    trail: FakeAuditTrail = field(default_factory=FakeAuditTrail)
    checkpoints: FakeCheckpoints = field(default_factory=FakeCheckpoints)
    reaggregations: FakeReaggregations = field(default_factory=FakeReaggregations)
    bills: FakeBills = field(default_factory=FakeBills)
    forwarder: FakeForwarder = field(default_factory=FakeForwarder)
    forwarding: bool = False
    tasks: FakeTasks = field(default_factory=FakeTasks)
    catalog: Catalog | None = CATALOG
    runs: FakeRuns = field(init=False)
    marketplace: FakeMarketplace = field(init=False)
    process: Process = field(init=False)
    _boots: int = 0
    _events: int = 0

    def __post_init__(self) -> None:
        self.runs = FakeRuns(self.clock)
        self.marketplace = FakeMarketplace(self.clock)
        if self.catalog is not None:
            self.put_catalog(self.catalog)
        self.process = self.boot()

    # --- processes

    def boot(self) -> Process:
        """A new process: empty memory, its own writer id."""
        self._boots += 1
        journal, clock = self.journal, self.clock
        log = tap(self.log, "log", journal)
        ledger = tap(self.ledger, "ledger", journal)
        accounts = tap(self.accounts, "accounts", journal)
        parking = tap(self.parking, "parking", journal)
        refusals = tap(self.refusals, "refusals", journal)
        runs = tap(self.runs, "runs", journal)
        catalogs = tap(self.catalogs, "catalogs", journal)
        messages = tap(self.messages, "messages", journal)
        marketplace = tap(self.marketplace, "marketplace", journal)
        cache = CatalogCache(catalogs, clock)
        writer = UsageWriter(log, clock, self.tasks, f"boot{self._boots:04x}")
        directory = Directory(accounts, cache, self.grace)
        ingest = IngestUsage(writer, directory, cache, parking, clock)
        fold = Fold(log, tap(self.days, "days", journal), cache, accounts)
        rate = RateAccount(accounts, cache, fold, self.grace)
        reaggregation = RunReaggregation(
            tap(self.reaggregations, "reaggregations", journal),
            accounts,
            fold,
            cache,
            ledger,
            messages,
            tap(self.trail, "audit", journal),
            clock,
        )
        submit = Submit(ledger, marketplace, Breaker(clock))
        settle = SettleUncertain(ledger, marketplace, self.findings)
        operations = tap(self.operations, "operations", journal)
        bill_store = tap(self.bills, "bills", journal)
        bills = ManageBills(bill_store, accounts, cache, rate, self.trail, clock)
        chronicle = Chronicle(tap(self.trail, "audit", journal), messages, self.forwarding)
        set_up = SetUp(marketplace, accounts, ledger, cache, clock, chronicle)
        follow = FollowSubscription(marketplace, accounts, ledger, cache, clock, chronicle)
        answer = AnswerOperation(marketplace, operations, accounts, cache, clock, MAX_QUANTITY)
        handle = HandleOperation(marketplace, operations, answer, follow, messages, clock)
        return Process(
            ingest=ingest,
            writer=writer,
            take_message=TakeMessage(ingest, refusals, messages, clock, self.slept.append),
            replay_parked=ReplayParked(parking, ingest, messages, clock),
            fold=fold,
            rate_account=rate,
            submit=submit,
            run_shard=RunShard(log, ledger, runs, rate, submit, settle, self.findings),
            audit=Audit(log, fold, ledger, self.findings, clock),
            refund=RecordRefund(accounts, ledger, clock, tap(self.trail, "audit", journal)),
            start_run=StartRun(messages, runs, clock),
            activate=Activate(marketplace, set_up),
            adopt=Adopt(marketplace, set_up),
            receive_notice=ReceiveNotice(marketplace, answer, messages, clock),
            follow=follow,
            handle=handle,
            reconcile=ReconcileSubscriptions(
                marketplace,
                accounts,
                operations,
                follow,
                handle,
                self.findings,
                tap(self.checkpoints, "checkpoints", journal),
                clock,
            ),
            actions=PublisherActions(
                marketplace,
                accounts,
                operations,
                handle,
                cache,
                messages,
                clock,
                chronicle,
                MAX_QUANTITY,
            ),
            erase=EraseAccount(accounts, parking, clock, chronicle),
            forward=Forward(self.forwarder, messages, self.findings, clock),
            subscriptions=SubscriptionQueries(accounts, operations, self.trail),
            put_catalog=PutCatalog(
                catalogs,
                accounts,
                ledger,
                tap(self.trail, "audit", journal),
                lambda since, by: reaggregation.start_since(since, by).job.id,
                clock,
            ),
            run_reaggregation=reaggregation,
            queries=Queries(accounts, ledger, catalogs, self.findings, rate, clock),
            parked_input=ParkedInput(parking, refusals, clock, chronicle),
            bills=bills,
            run_bills=RunBills(bill_store, accounts, bills, messages, clock),
            simulate=Simulate(accounts, cache, fold, clock),
            explain=Explain(rate, ledger, self.days, log, clock, cache),
        )

    # --- what publishers and customers do

    def put_catalog(self, catalog: Catalog) -> None:
        """Store the next version of the catalogue."""
        current = self.catalogs.current()
        number = current.number + 1 if current else 1
        self.catalogs.add(CatalogVersion(number, self.clock.now(), catalog))

    def customer(self, plan: str = "standard") -> AccountCode:
        """A purchase of a Marketplace plan, activated on the landing page."""
        _, token = self.marketplace.buy(plan)
        return self.process.activate(token).account.code

    def account(self, code: str, zone: str | None = None, plan: str = "basic") -> AccountCode:
        """An account with a subscription of its own name, active for long, without a purchase."""
        now = self.clock.now() - LONG
        spell = PlanSpell("standard", now)
        sold = Subscription(
            SubscriptionId(code), OFFER, (spell,), SubscriptionStatus.SUBSCRIBED, start=now
        )
        attached = AccountPlan(f"{code}.1", PlanCode(plan), cell_of(now, 15))
        record = AccountRecord(Account(AccountCode(code), code, zone), (attached,), (sold,))
        self.accounts.create(record)
        return AccountCode(code)

    def record(self, account: AccountCode) -> AccountRecord:
        """An account as stored."""
        loaded = self.accounts.load(account)
        assert loaded is not None
        return loaded.value

    def change(self, account: AccountCode, **changes: object) -> None:
        """Replace parts of a stored account."""
        loaded = self.accounts.load(account)
        assert loaded is not None
        self.accounts.save(replace(loaded.value, **changes), loaded.etag)  # type: ignore[arg-type]  # field names are the test's

    def event(
        self,
        account: str,
        n: object = 1,
        *,
        id_: str = "",
        time: datetime | None = None,
        meter: str = TOKENS,
        data: Mapping[str, Decimal | str] | None = None,
        source: str = "",
    ) -> UsageEvent:
        """An event of ``n`` tokens, now unless told, with an id of its own unless told."""
        self._events += 1
        return UsageEvent(
            id_ or f"e{self._events}",
            AccountCode(account),
            MeterCode(meter),
            time or self.clock.now(),
            {"n": Decimal(str(n))} if data is None else data,
            source,
        )

    def send(self, *events: UsageEvent) -> list[EventResult]:
        """Report events to the process."""
        return self.process.ingest(events)

    def use(self, account: str, n: object = 1, time: datetime | None = None) -> None:
        """Report one event that must be accepted."""
        (result,) = self.send(self.event(account, n, time=time))
        assert result.outcome is Outcome.ACCEPTED, result

    # --- time and runs

    def run(self, shards: Iterable[Shard] | None = None) -> list[RunReport]:
        """The hourly run of all shards, checked afterwards."""
        reports = [self.process.run_shard(s) for s in shards or all_shards()]
        self.check()
        return reports

    def run_for(self, account: AccountCode) -> RunReport:
        """The hourly run of one account's shard, checked afterwards."""
        (report,) = self.run([shard_of(account)])
        return report

    def next_run(self, hours: int = 1) -> None:
        """Five minutes past each of the next hours, as the timer has it."""
        for _ in range(hours):
            self.to_next_run()
            self.run()

    def to_next_run(self) -> datetime:
        """Move on to five minutes past the next full hour."""
        at = self.clock.now()
        self.clock.at = at.replace(minute=5, second=0, microsecond=0) + HOUR
        return self.clock.at

    # --- what came of it

    def rows(self, account: AccountCode) -> dict[LedgerKey, LedgerRow]:
        """The ledger rows of an account's subscription."""
        sold = self.record(account).subscription
        assert sold is not None
        rows = self.ledger.rows(shard_of(account), Resource(sold.id))
        return {key: row.value for key, row in rows.items()}

    def row(self, account: AccountCode) -> LedgerRow:
        """The only ledger row of an account's subscription."""
        (row,) = self.rows(account).values()
        return row

    def submissions(self, account: AccountCode) -> list[Submission]:
        """Every submission of an account's subscription, by hour."""
        sold = self.record(account).subscription
        assert sold is not None
        since = datetime.min.replace(tzinfo=UTC)
        found = self.ledger.submissions(shard_of(account), Resource(sold.id), since)
        return sorted(found, key=lambda s: (s.hour, s.key.dimension))

    def states(self, account: AccountCode) -> list[SubmissionState]:
        """The states of an account's submissions, by hour."""
        return [submission.state for submission in self.submissions(account)]

    def billed(self, account: AccountCode, dimension: str = "usage_fee") -> Decimal:
        """Units that the Marketplace holds for an account's subscription."""
        sold = self.record(account).subscription
        assert sold is not None
        return self.marketplace.total(sold.id, dimension)

    # --- what must always hold

    def check(self) -> None:
        """Assert the invariants of usage and ledger."""
        self._check_partials()
        for code in self.accounts.codes():
            if self.record(code).subscription is not None:
                self._check_ledger(code)

    def _check_partials(self) -> None:
        """Partials equal events, whatever happened."""
        expected: dict[tuple[AccountCode, MeterCode, date], tuple[int, Decimal]] = {}
        for row in self.log.stored_events():
            key = (row.account, row.event.meter, row.event.day)
            events, total = expected.get(key, (0, ZERO))
            value = row.event.data.get("n", ZERO)
            assert isinstance(value, Decimal)
            expected[key] = (events + 1, total + value)
        for (account, meter, day), (events, total) in expected.items():
            first = datetime(day.year, day.month, day.day, tzinfo=UTC)
            last = first + timedelta(hours=24)
            stored = self.accounts.load(account)
            shard = stored.value.account.shard if stored else shard_of(account)
            cells = self.log.partials(day, shard, account, first, last)
            found = merged(p for key, ps in cells.items() if key.meter == meter for p in ps)
            stats = found.fields.get("n")
            assert (found.events, stats.total if stats else ZERO) == (events, total)

    def _check_ledger(self, account: AccountCode) -> None:
        submissions: dict[LedgerKey, list[Submission]] = {}
        for submission in self.submissions(account):
            submissions.setdefault(submission.key, []).append(submission)
        for key, row in self.rows(account).items():
            made = submissions.get(key, [])
            told = sum(map(_effect, made), ZERO) - row.refunded
            assert row.committed == told, "committed is not accounted for"
            under_way = [s.hour for s in made if s.state.under_way]
            assert under_way == ([] if row.open_hour is None else [row.open_hour])
            self._check_marketplace(account, key, made)

    def _check_marketplace(
        self, account: AccountCode, key: LedgerKey, made: Sequence[Submission]
    ) -> None:
        refunded = self.rows(account)[key].refunded
        billed = self.marketplace.total(key.resource, key.dimension, key.plan) - refunded
        assert billed <= self.ledger.highest[key], "the Marketplace holds more than was ever due"
        sold = self.record(account).subscription
        assert sold is not None
        assert sold.start is not None
        for submission in made:
            assert submission.quantity > 0
            assert submission.effective_start >= sold.start
            assert submission.hour <= self.clock.now()


def _effect(submission: Submission) -> Decimal:
    """What a submission stands for in ``committed``."""
    match submission.state:
        case SubmissionState.OPEN | SubmissionState.HELD | SubmissionState.UNCERTAIN:
            return submission.quantity
        case SubmissionState.ACCEPTED | SubmissionState.SETTLED | SubmissionState.RELEASED:
            assert submission.billed is not None
            return submission.billed
