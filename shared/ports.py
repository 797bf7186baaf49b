"""What the services need from the outside, as protocols that adapters and fakes fulfil.

Unless a method says otherwise, an adapter raises ``Throttled`` or ``Unavailable`` when the other
side gives no usable answer; after ``Unavailable`` it is unknown whether a write took effect.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.audit import AuditEntry
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import Change
from shared.domain.catalog.timeline import VersionHead
from shared.domain.errors import FieldError
from shared.domain.finding import Finding, FindingKind
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import AccountCode, MeterCode, Resource, Shard, SubscriptionId
from shared.domain.lifecycle.available_plan import AvailablePlan
from shared.domain.lifecycle.buyer import Buyer
from shared.domain.lifecycle.operation import Operation, OperationRecord, OperationStatus
from shared.domain.lifecycle.purchase import MarketplaceSubscription, Purchase
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.metering.ledger import LedgerKey, LedgerRow, Refund
from shared.domain.metering.reconciliation import ReportedUsage
from shared.domain.metering.submission import Answer, Submission
from shared.domain.rating.account_bill import Bill
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.locked import LockedBill
from shared.domain.serviceuser import ServiceUser
from shared.domain.usage.event import EventKey, UsageEvent
from shared.domain.usage.partial import Partial

type Etag = str


@dataclass(frozen=True, slots=True)
class Versioned[T]:
    """A stored value and the version an If-Match write must name."""

    value: T
    etag: Etag


class Clock(Protocol):
    """The machine's time: cheap, and good to the minute."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class Tasks(Protocol):
    """How a service does several things at once and waits for them."""

    def start(self, task: Callable[[], None]) -> None:
        """Run ``task`` beside the caller, at once or when there is room; it must not raise."""
        ...

    def signal(self) -> "Signal":
        """A new signal between tasks of this process."""
        ...

    def lock(self) -> "Lock":
        """A new lock between tasks of this process."""
        ...

    def place(self) -> AbstractContextManager[object]:
        """One of a few places for tasks that gain by going one after the other: what comes
        while they wait goes with them. Whoever finds none waits a moment and goes on without."""
        ...


class Signal(Protocol):
    """Something that happens once, and that tasks wait for."""

    def set(self) -> None:
        """Say that it happened."""
        ...

    def wait(self) -> object:
        """Return once it has happened, at once if it has."""
        ...


type Lock = AbstractContextManager[object]
"""Mutual exclusion between tasks of this process."""


# --- the usage log -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as stored: created once, never changed.

    ``payload`` is its canonical payload where the maker has it at hand, or empty.
    """

    account: AccountCode
    key: EventKey
    payload_hash: str
    event: UsageEvent
    payload: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PartialKey:
    """The cell of one account's meter and segment; with a writer it names a partial row."""

    account: AccountCode
    cell: datetime
    meter: MeterCode
    segment: str = ""


@dataclass(frozen=True, slots=True)
class PartialWrite:
    """A writer's own partial, replaced as a whole; ``etag`` is ``None`` to create it."""

    key: PartialKey
    partial: Partial
    etag: Etag | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A change mark: in ``arrival_hour`` something of ``account``'s ``event_hour`` changed."""

    arrival_hour: datetime
    account: AccountCode
    event_hour: datetime


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """What one entity group transaction carries: all of it is stored, or nothing."""

    day: date
    shard: Shard
    writer: str
    events: tuple[EventRow, ...]
    partials: tuple[PartialWrite, ...]
    marks: tuple[Mark, ...]

    @property
    def entities(self) -> int:
        """How many entities the transaction has; storage takes at most 100."""
        return len(self.events) + len(self.partials) + len(self.marks)


@dataclass(frozen=True, slots=True)
class Appended:
    """Stored; the new version of each partial, in the batch's order."""

    etags: tuple[Etag, ...]


@dataclass(frozen=True, slots=True)
class EventExists:
    """Nothing stored: the event at ``index`` of the batch is there already."""

    index: int


@dataclass(frozen=True, slots=True)
class PartialMoved:
    """Nothing stored: the partial at ``index`` is not at the version the writer knew."""

    index: int


type AppendAnswer = Appended | EventExists | PartialMoved


class UsageLog(Protocol):
    """Events, partials and change marks, one table a UTC day of event time."""

    def append(self, batch: UsageBatch) -> AppendAnswer:
        """Store a batch in one transaction, sent once: no retry below this call.

        Creates the day's table if it is missing.
        """
        ...

    def payload_hashes(
        self, day: date, shard: Shard, events: Sequence[tuple[AccountCode, EventKey]]
    ) -> list[str | None]:
        """The payload hash of each event that is stored, ``None`` for one that is not."""
        ...

    def days(self) -> set[date]:
        """Days that have a table."""
        ...

    def make_day(self, day: date) -> None:
        """Make a day's table ahead of its first event."""
        ...

    def drop_day(self, day: date) -> None:
        """Remove a day's table with everything in it; missing is fine."""
        ...

    def put_hint(self, shard: Shard, arrival_hour: datetime, day: date) -> None:
        """Say that in ``arrival_hour`` an unusual day's table received usage."""
        ...

    def hinted_days(self, shard: Shard, since: datetime) -> set[date]:
        """Days hinted in arrival hours from ``since`` on."""
        ...

    def marks(self, day: date, shard: Shard, since: datetime) -> set[Mark]:
        """Change marks of a day's table from arrival hour ``since`` on; empty without table."""
        ...

    def partials(
        self, day: date, shard: Shard, account: AccountCode, first: datetime, last: datetime
    ) -> dict[PartialKey, list[Partial]]:
        """All writers' partials of an account's cells from ``first`` to ``last`` inclusive."""
        ...

    def events(self, day: date, shard: Shard, account: AccountCode) -> Iterable[UsageEvent]:
        """An account's events of a day as they were reported, in no particular order; none
        without a table."""
        ...


# --- folded usage --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayKey:
    """One row of folded usage: an account's meter and segment on a UTC day."""

    account: AccountCode
    day: date
    meter: MeterCode
    segment: str = ""


@dataclass(frozen=True, slots=True)
class UsageDay:
    """Folded cells of one day by their start."""

    key: DayKey
    cells: Mapping[datetime, Partial]


class UsageDays(Protocol):
    """The read model of rating, charts and exports: kept for good."""

    def read(
        self, shard: Shard, account: AccountCode, first: date, last: date
    ) -> dict[DayKey, Versioned[UsageDay]]:
        """An account's rows of the days from ``first`` to ``last`` inclusive."""
        ...

    def write(self, shard: Shard, rows: Sequence[tuple[UsageDay, Etag | None]]) -> None:
        """Create (``None``) or replace each row at its version, with as few calls as possible.

        Raises ``ConcurrentUpdate`` when a version does not match; some rows may be stored then.
        """
        ...


# --- the ledger ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgendaEntry:
    """Look at ``account`` once the hour ``due`` has begun."""

    due: datetime
    account: AccountCode


@dataclass(frozen=True, slots=True)
class PutRow:
    """Create (``etag`` ``None``) or replace a ledger row."""

    row: LedgerRow
    etag: Etag | None


@dataclass(frozen=True, slots=True)
class PutSubmission:
    """Create (``etag`` ``None``) or replace a submission."""

    submission: Submission
    etag: Etag | None


@dataclass(frozen=True, slots=True)
class PutAgenda:
    """Enter into the agenda, whether it is there or not."""

    entry: AgendaEntry


@dataclass(frozen=True, slots=True)
class DropAgenda:
    """Take out of the agenda what ``agenda`` returned."""

    entry: Versioned[AgendaEntry]


@dataclass(frozen=True, slots=True)
class PutRefund:
    """Record a refund; its id must be new for the row."""

    refund: Refund


type LedgerWrite = PutRow | PutSubmission | PutAgenda | DropAgenda | PutRefund


class Ledger(Protocol):
    """Ledger rows, submissions and agenda of a shard: one partition, so one transaction."""

    def rows(self, shard: Shard, resource: Resource) -> dict[LedgerKey, Versioned[LedgerRow]]:
        """All rows of a resource."""
        ...

    def unsettled(self, shard: Shard) -> list[Versioned[Submission]]:
        """Submissions that are not final: still to be sent, or uncertain."""
        ...

    def agenda(self, shard: Shard, until: datetime) -> list[Versioned[AgendaEntry]]:
        """Entries due at ``until`` or before."""
        ...

    def write(self, shard: Shard, writes: Sequence[LedgerWrite]) -> list[Etag]:
        """All writes or none, at most 100 entities (a submission that begins or ends being
        unsettled counts two); returns the new versions in order, empty for agenda entries.

        Raises ``ConcurrentUpdate`` when a version does not match or a key exists.
        """
        ...

    def refunds(self, shard: Shard, resource: Resource) -> list[Refund]:
        """Refunds recorded for a resource."""
        ...

    def submissions(
        self, shard: Shard, resource: Resource, since: datetime
    ) -> Iterable[Submission]:
        """Submissions of a resource for hours from ``since`` on."""
        ...


# --- findings ------------------------------------------------------------------------------


class Findings(Protocol):
    """What people should look at: one finding a kind and subject, replaced when it recurs."""

    def note(self, findings: Sequence[Finding]) -> None:
        """Store findings."""
        ...

    def all(self) -> Iterable[Finding]:
        """Everything noted and not dropped, in no particular order."""
        ...

    def drop(self, kind: FindingKind, subject: str) -> None:
        """Forget one; missing is fine."""
        ...


# --- runs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStart:
    """When the shard's last complete run began, and the storage service's time now."""

    last_completed: datetime | None
    now: datetime


class Runs(Protocol):
    """What is known of the hourly runs."""

    def begin(self, shard: Shard) -> RunStart:
        """The first read of a run; its time is the storage service's own clock."""
        ...

    def complete(self, shard: Shard, started: datetime) -> None:
        """Note that everything up to ``started`` was handled."""
        ...


# --- accounts and catalogue ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that made something, kept so that its repetition makes nothing more.

    ``key`` is the caller's name for the request and ``fingerprint`` tells its contents.
    """

    key: str
    fingerprint: str
    made: Prepayment | Credit | AdHocCharge


class Accounts(Protocol):
    """Accounts with what hangs on them; one partition an account."""

    def load(self, code: AccountCode) -> Versioned[AccountRecord] | None:
        """An account's whole partition."""
        ...

    def create(self, record: AccountRecord) -> Etag:
        """Store a new account. Raises ``Conflict`` when the code is taken, or was once taken by
        an account of another family: usage of a code never goes to another shard."""
        ...

    def save(self, record: AccountRecord, etag: Etag, answered: Answered | None = None) -> Etag:
        """Replace all but the records of ended periods. Raises ``ConcurrentUpdate``, and
        ``TooLarge`` for more changes than one transaction carries.

        ``answered`` is stored with it or not at all; one whose key is known raises
        ``ConcurrentUpdate`` too.
        """
        ...

    def answered(self, code: AccountCode, key: str) -> Answered | None:
        """What the request of that key made of an account."""
        ...

    def delete(self, code: AccountCode, etag: Etag) -> None:
        """Forget an account that no period was ever billed for. Raises ``ConcurrentUpdate``."""
        ...

    def put_record(self, code: AccountCode, record: PeriodRecord) -> None:
        """Keep the total of an ended period, unless one of higher rank is kept already: a run that
        was overtaken must not put its older rating over a newer one."""
        ...

    def account_of(self, subscription: SubscriptionId) -> AccountCode | None:
        """The account that a subscription belongs to."""
        ...

    def link(self, subscription: SubscriptionId, account: AccountCode) -> AccountCode:
        """Tie a subscription to an account for good; returns the account it is tied to,
        which is another one if that link was made first."""
        ...

    def codes(self) -> Iterable[AccountCode]:
        """Every account's code."""
        ...

    def heads(self, after: str = "") -> Iterator[Account]:
        """Accounts without what hangs on them, in the order of their codes, those after
        ``after``; read as they are asked for."""
        ...

    def subscriptions(self) -> Iterable[tuple[AccountCode, Subscription]]:
        """Every subscription with its account, in no particular order."""
        ...

    def attachments(self) -> Iterable[tuple[AccountCode, AccountPlan]]:
        """Every attached plan with its account, in no particular order."""
        ...

    def locked_bills(self) -> Iterable[tuple[AccountCode, LockedBill]]:
        """Every locked bill with its account, in no particular order."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogVersion:
    """A version of the catalogue, when it takes effect, and what it changed.

    Without ``effective_from`` it holds for all time.
    """

    number: int
    created: datetime
    catalog: Catalog
    effective_from: datetime | None = None
    changes: tuple[Change, ...] = ()

    @property
    def head(self) -> VersionHead:
        """The version without its contents."""
        return VersionHead(self.number, self.created, self.effective_from)


class Catalogs(Protocol):
    """Immutable versions of the catalogue."""

    def current(self) -> CatalogVersion | None:
        """The newest version."""
        ...

    def get(self, number: int) -> CatalogVersion | None:
        """The version of that number."""
        ...

    def heads(self) -> list[VersionHead]:
        """Every version without its contents, oldest first."""
        ...

    def add(self, version: CatalogVersion) -> None:
        """Store the next version. Raises ``ConcurrentUpdate`` when the number is taken."""
        ...


# --- parked input --------------------------------------------------------------------------


type ParkedPlace = tuple[date, EventKey]
"""Where a parked event stands among those of its account: they are in this order."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that could not be used yet, when it arrived, and why.

    ``stranger`` when there was no account of its code then.
    """

    event: UsageEvent
    received: datetime
    reason: str
    stranger: bool = False

    @property
    def place(self) -> ParkedPlace:
        """Where it stands among its account's."""
        return (self.event.day, self.event.key)


@dataclass(frozen=True, slots=True)
class ParkingLimits:
    """How many parked events are kept. They wait for something that is missing, so whoever may
    send usage could otherwise fill the storage, under codes that nobody will ever use.

    ``per_account`` of one account code: several days of a customer that reports every minute,
    and no more than a few seconds' work for a replay. ``strangers`` codes without an account and
    ``events_of_strangers`` events of such codes, of each shard: room for a publisher that sends
    before it creates thousands of accounts, and an end for one that invents codes, whose events
    the hourly run then finds within a minute and never reads. Accounts that exist are made by
    people, so only the first limit is theirs. It is exact; the other two may be passed by what
    comes within half a minute.
    """

    per_account: int = 10_000
    strangers: int = 1_000
    events_of_strangers: int = 100_000


@dataclass(frozen=True, slots=True)
class Kept:
    """The event is parked now."""


@dataclass(frozen=True, slots=True)
class KeptBefore:
    """An event of that identity was parked already, with a payload of this hash."""

    payload_hash: str


class NoRoom(StrEnum):
    """The event is not kept: so many others are, of its account or of unknown accounts."""

    ACCOUNT = "account"
    STRANGERS = "strangers"


type ParkAnswer = Kept | KeptBefore | NoRoom


class Parking(Protocol):
    """Input kept until it can be used, within ``ParkingLimits``."""

    def park(self, events: Sequence[ParkedEvent]) -> list[ParkAnswer]:
        """Store each unless its identity is parked already or there is no room for it. What is
        parked already needs no room."""
        ...

    def accounts(self) -> dict[AccountCode, int]:
        """Accounts that have parked events, and how many."""
        ...

    def of_account(
        self, account: AccountCode, after: ParkedPlace | None = None
    ) -> Iterable[ParkedEvent]:
        """An account's parked events in the order of their places, from behind ``after`` on."""
        ...

    def drop(self, parked: Sequence[ParkedEvent]) -> None:
        """Forget events that have been stored or are not wanted; missing ones are fine."""
        ...


@dataclass(frozen=True, slots=True)
class RefusedInput:
    """Input of a queue that can never be used as it is: kept for people to see and mend.

    ``id`` is a fingerprint of ``body``, so a redelivery is kept once.
    """

    id: str
    received: datetime
    body: str
    errors: tuple[FieldError, ...]


class Refusals(Protocol):
    """Refused input, kept until someone drops it."""

    def keep(self, refused: Sequence[RefusedInput]) -> None:
        """Store each; one that is kept already stays as it is."""
        ...

    def all(self, after: str = "") -> Iterable[RefusedInput]:
        """Everything kept with an id greater than ``after``, in the order of ids."""
        ...

    def drop(self, id_: str) -> None:
        """Forget one; missing is fine."""
        ...


# --- the life of subscriptions -------------------------------------------------------------


class Operations(Protocol):
    """Operations of subscriptions as we know them, each stored once for its id."""

    def get(self, subscription: SubscriptionId, operation: str) -> OperationRecord | None:
        """One operation."""
        ...

    def add(self, record: OperationRecord) -> OperationRecord:
        """Store an operation unless its id is known; returns what is stored then."""
        ...

    def save(self, record: OperationRecord) -> None:
        """Replace an operation."""
        ...

    def of(self, subscription: SubscriptionId) -> Iterable[OperationRecord]:
        """A subscription's operations, in no particular order."""
        ...

    def unfinished(self) -> Iterable[OperationRecord]:
        """Every operation that is not done, in no particular order."""
        ...


class AuditTrail(Protocol):
    """What was changed, by whom and when: only ever appended to."""

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries; one that is there already stays as it is."""
        ...

    def of(self, subject: str) -> Iterable[AuditEntry]:
        """A subject's entries, oldest first."""
        ...

    def between(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """Entries of all subjects in [since, until), newest first; read as they are asked for."""
        ...


class Checkpoints(Protocol):
    """Until when something that is done again and again is known to be done."""

    def read(self, name: str) -> datetime | None:
        """The moment last noted, ``None`` when there is none."""
        ...

    def note(self, name: str, at: datetime) -> None:
        """Note a moment in place of the last."""
        ...


class Forwarder(Protocol):
    """The publisher's own endpoint for lifecycle events."""

    def send(self, event: str, body: str) -> None:
        """Deliver a JSON text signed; ``event`` is its id, the same for every try.

        Raises ``Rejected`` when the endpoint refuses it, or may not be called at all.
        """
        ...


# --- the Marketplace -----------------------------------------------------------------------


class Metering(Protocol):
    """The Marketplace metering service API."""

    def send(self, submissions: Sequence[Submission]) -> list[Answer]:
        """Report at most 25 submissions in one call; one answer each, in order.

        Never raises for what the Marketplace or the network does: those are answers.
        """
        ...

    def usage_of(self, day: date) -> list[ReportedUsage]:
        """The Marketplace's own sums of a UTC day, accepted units only."""
        ...


class Fulfillment(Protocol):
    """The SaaS fulfillment API. Raises ``Rejected`` for a definite no."""

    def resolve(self, token: str) -> Purchase:
        """What a buyer's marketplace token stands for. Raises ``InvalidInput`` for a token
        that is malformed or expired."""
        ...

    def activate(self, subscription: SubscriptionId, plan: str, quantity: int | None) -> None:
        """Start billing. Succeeds too when the subscription is active already."""
        ...

    def get(self, subscription: SubscriptionId) -> MarketplaceSubscription | None:
        """The Marketplace's view of one subscription."""
        ...

    def list_subscriptions(self) -> Iterable[MarketplaceSubscription]:
        """Every subscription, those that ended included.

        One whose answer cannot be read is left out, so absence proves nothing.
        """
        ...

    def available_plans(
        self, subscription: SubscriptionId, plan: str | None = None
    ) -> tuple[AvailablePlan, ...]:
        """The plans a subscription may be on; with ``plan`` that one only, if there is such a
        plan, and with its source offers."""
        ...

    def operation(self, subscription: SubscriptionId, operation: str) -> Operation | None:
        """One operation of a subscription, as the Marketplace knows it."""
        ...

    def outstanding_operations(self, subscription: SubscriptionId) -> tuple[Operation, ...]:
        """Operations of a subscription that wait to be answered."""
        ...

    def answer_operation(
        self, subscription: SubscriptionId, operation: str, status: OperationStatus
    ) -> None:
        """Tell the Marketplace how an operation ended here; an operation that has been
        answered already is fine."""
        ...

    def change_plan(self, subscription: SubscriptionId, plan: str) -> str:
        """Ask for another plan; returns the id of the operation that carries it out.

        Asked for, not done: the operation ends Succeeded, Failed or Conflict, and a webhook
        follows.
        """
        ...

    def change_quantity(self, subscription: SubscriptionId, quantity: int) -> str:
        """Ask for another number of seats; as ``change_plan``."""
        ...

    def cancel(self, subscription: SubscriptionId) -> str:
        """Ask for the end of a subscription; as ``change_plan``."""
        ...


# --- messages and identities ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be: JSON text, with a session where the queue needs one.

    ``after`` is how long the queue keeps it back.
    """

    body: str
    session: str | None = None
    id: str | None = None
    after: timedelta | None = None


class ServiceUsers(Protocol):
    """Users of the API that are programs with a key."""

    def get(self, key_id: str) -> ServiceUser | None:
        """The service user of a key id."""
        ...

    def list(self) -> Iterable[ServiceUser]:
        """All of them, in no particular order."""
        ...

    def put(self, user: ServiceUser) -> None:
        """Create or replace a service user."""
        ...

    def touch(self, key_id: str, used: datetime) -> None:
        """Note when a key was last used. Changes nothing else, never brings back what was
        deleted, and may be left out when the user is being changed."""
        ...

    def delete(self, key_id: str) -> None:
        """Forget a service user; missing is fine."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled, with the reason and the beginning of its body."""

    id: str
    enqueued: datetime | None
    reason: str
    description: str
    body: str


class DeadLetters(Protocol):
    """Messages that could not be handled."""

    def peek(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        """The oldest dead letters of a queue; they stay where they are."""
        ...

    def replay(self, queue: str, limit: int) -> int:
        """Send up to ``limit`` dead letters again, oldest first; returns how many."""
        ...


class SignIn(Protocol):
    """How people sign in to the landing page."""

    def buyer(self, headers: Mapping[str, str]) -> Buyer | None:
        """Who sends a request; ``None`` for someone who is not signed in."""
        ...

    def sign_in_url(self, back: str) -> str:
        """Where to send someone who is not; ``back`` is the path to return to."""
        ...

    def sign_out_url(self, back: str) -> str:
        """Where to go to sign in as somebody else."""
        ...


class Messages(Protocol):
    """The queues of the pipeline."""

    def publish(self, queue: str, messages: Sequence[Message]) -> None:
        """Send all messages, or raise; some may then have been sent."""
        ...


# --- bills ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BillJob:
    """How far one shard has come with making bills: ``done`` of ``accounts`` accounts."""

    id: str
    shard: Shard
    started: datetime
    accounts: int = 0
    done: int = 0
    bills: int = 0
    failed: Mapping[AccountCode, str] = field(default_factory=dict)
    finished: datetime | None = None


class Bills(Protocol):
    """Bills of all accounts, their numbers, and the jobs that make them."""

    def get(self, id_: str) -> Versioned[Bill] | None:
        """One bill."""
        ...

    def put(self, bill: Bill, etag: Etag | None) -> Etag:
        """Create (``None``) or replace a bill at its version. Raises ``ConcurrentUpdate``."""
        ...

    def of(self, account: AccountCode) -> Iterable[Bill]:
        """An account's bills, in no particular order."""
        ...

    def newest(self, after: str = "") -> Iterable[str]:
        """Ids of all bills by the end of their period, the latest first: those after a bill's
        id, read as they are asked for. One may be among them whose bill was never stored."""
        ...

    def number(self, id_: str, first: int) -> int:
        """The number of a bill in the one sequence of all: the next one, from ``first`` on, or
        the one that this bill was given before. None is left out or given twice."""
        ...

    def put_job(self, job: BillJob) -> None:
        """Note how far a shard has come."""
        ...

    def job(self, id_: str) -> list[BillJob]:
        """How far every shard has come; empty for a job that is not known."""
        ...


# --- aggregating again -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReaggregationJob:
    """An order to aggregate stored events again: of the days from ``first`` to ``last``, of
    ``accounts`` or, where that is ``None``, of all."""

    id: str
    started: datetime
    by: str
    first: date
    last: date
    accounts: tuple[AccountCode, ...] | None = None


@dataclass(frozen=True, slots=True)
class ReaggregationPart:
    """How far one shard has come with a job: ``done`` accounts, the last of them ``after``.

    ``days`` of meters and segments were changed, of ``changed`` accounts; ``failed`` tells why the
    accounts failed that did.
    """

    job: str
    shard: Shard
    noted: datetime
    after: str = ""
    done: int = 0
    changed: int = 0
    days: int = 0
    failed: Mapping[AccountCode, str] = field(default_factory=dict)
    finished: datetime | None = None


class Reaggregations(Protocol):
    """Jobs that aggregate again, and how far their shards are."""

    def add(self, job: ReaggregationJob, parts: Sequence[ReaggregationPart]) -> None:
        """Store a new job with its parts. Raises ``ConcurrentUpdate`` when the id is taken."""
        ...

    def get(self, id_: str) -> ReaggregationJob | None:
        """One job."""
        ...

    def since(self, moment: datetime) -> list[ReaggregationJob]:
        """Jobs that were started at ``moment`` or later, oldest first."""
        ...

    def parts(self, id_: str) -> list[Versioned[ReaggregationPart]]:
        """How far the shards of a job are, in their order."""
        ...

    def note(self, part: ReaggregationPart, etag: Etag) -> Etag:
        """Replace a part at its version. Raises ``ConcurrentUpdate``."""
        ...
