"""Values that the contract suites store."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from shared.domain.account import Account, AccountPlan, AccountRecord, FormerCustom
from shared.domain.catalog.charges import Due
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import (
    AccountCode,
    DimensionId,
    MeterCode,
    PlanCode,
    ProductCode,
    Resource,
    Shard,
    SubscriptionId,
)
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.submission import Submission
from shared.domain.period import Period
from shared.domain.rating.locked import DimensionAmount, LockedBill
from shared.domain.usage.event import (
    DataValue,
    EventKey,
    UsageEvent,
    canonical_payload,
    payload_hash,
)
from shared.domain.usage.partial import Distinct, Partial
from shared.ports import (
    Etag,
    EventRow,
    Mark,
    PartialKey,
    PartialWrite,
    UsageBatch,
)

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHARD = Shard(7)
OTHER_SHARD = Shard(8)
ADA = AccountCode("ada")
BOB = AccountCode("bob")
METER = MeterCode("requests")
WRITER = "boot1-0"

GUID = Resource("6f1c9d3a-0f4e-4a0c-9d58-1f6c2f1f1a11")
ARM = Resource(
    "/subscriptions/6f1c9d3a/resourceGroups/größe #1/providers/Microsoft.Solutions/applications/a?"
)
LONG = Decimal("123456789012345.123456789")
"""24 digits: more than a binary float holds."""


def at(hour: int, minute: int = 0) -> datetime:
    """A moment of the day all samples are of."""
    return NOON.replace(hour=hour, minute=minute)


def event(
    identity: str,
    account: AccountCode = ADA,
    moment: datetime = NOON,
    data: dict[str, DataValue] | None = None,
) -> UsageEvent:
    """An event of the sample meter."""
    values = {"calls": Decimal(1)} if data is None else data
    return UsageEvent(identity, account, METER, moment, values, source="shop")


def event_row(identity: str, account: AccountCode = ADA, moment: datetime = NOON) -> EventRow:
    """An event as the usage log takes it."""
    made = event(identity, account, moment)
    return EventRow(account, made.key, payload_hash(canonical_payload(made)), made)


def partial_of(*events: UsageEvent, unique: frozenset[str] = frozenset()) -> Partial:
    """The statistics of some events."""
    partial = Partial()
    for one in events:
        partial.add(one, unique)
    return partial


def distinct_partial(values: int, seed: int = 0) -> Partial:
    """A partial that knows ``values`` different texts of one field; others for another seed."""
    partial = partial_of(event("same", data={"user": "ada"}), unique=frozenset({"user"}))
    digests = random.Random(seed).randbytes(8 * values)
    kept = {digests[at : at + 8] for at in range(0, len(digests), 8)}
    partial.fields["user"].distinct = Distinct(kept, seen=len(kept))
    return partial


def write(
    partial: Partial,
    etag: Etag | None = None,
    account: AccountCode = ADA,
    cell: datetime = NOON,
    segment: str = "",
) -> PartialWrite:
    """A partial of the sample meter, to be written."""
    return PartialWrite(PartialKey(account, cell, METER, segment), partial, etag)


def mark(account: AccountCode = ADA, arrival: int = 13, event_hour: int = 12) -> Mark:
    """A change mark."""
    return Mark(at(arrival), account, at(event_hour))


def batch(
    events: tuple[EventRow, ...] = (),
    partials: tuple[PartialWrite, ...] = (),
    marks: tuple[Mark, ...] = (),
    writer: str = WRITER,
    shard: Shard = SHARD,
) -> UsageBatch:
    """A batch of the sample day."""
    return UsageBatch(DAY, shard, writer, events, partials, marks)


def identity(row: EventRow) -> tuple[AccountCode, EventKey]:
    """What an event is looked up by."""
    return row.account, row.key


def ledger_key(
    dimension: str = "usage_fee", resource: Resource = GUID, plan: str | None = None
) -> LedgerKey:
    """A key of the ledger."""
    return LedgerKey(resource, DimensionId(dimension), plan)


def ledger_row(key: LedgerKey | None = None, committed: Decimal = LONG) -> LedgerRow:
    """A ledger row of account ada."""
    return LedgerRow(key or ledger_key(), ADA, LONG, committed, at(11), (at(10), at(11)))


def submission(
    hour: int = 11, key: LedgerKey | None = None, quantity: Decimal = LONG
) -> Submission:
    """An open submission of account ada."""
    return Submission(key or ledger_key(), ADA, at(hour), at(hour, 30), "gold", quantity)


def account_record(code: AccountCode = ADA) -> AccountRecord:
    """An account with two of everything that has an id, never in the order of their ids."""
    return AccountRecord(
        Account(
            code,
            "Ada & Söhne 🎈",
            time_zone="Europe/Berlin",
            currency="EUR",
            epoch=date(2026, 1, 31),
            parent=AccountCode("root"),
            custom={"seats": Decimal("2.50"), "tier": "5", "größe": LONG, "list": "[x]"},
        ),
        plans=(
            AccountPlan("z", PlanCode("gold"), at(1)),
            AccountPlan("a / b", PlanCode("silver"), at(2), at(3)),
        ),
        subscriptions=(
            _subscription("ffffffff-0000-0000-0000-000000000000"),
            _subscription("00000000-0000-0000-0000-000000000000"),
        ),
        prepayments=(
            Prepayment("p / 2", LONG, at(1), at(9), at(0), 7, (ProductCode("ai"),), Decimal("-5")),
            Prepayment("p1", Decimal("0.01"), at(1), description="Größe"),
        ),
        credits=(Credit("same", Decimal(5), at(1)), Credit("c", LONG, at(1), at(2), at(1), -3)),
        charges=(
            AdHocCharge("same", at(3), Due(amount=LONG), ProductCode("ai"), "set-up"),
            AdHocCharge("k", at(2), Due(dimension=DimensionId("seats"), quantity=Decimal("1.5"))),
        ),
        children=(AccountCode("zoe"), AccountCode("amy")),
        locked=(_bill("2026-2"), _bill("2026-1")),
        former=(
            FormerCustom(NOON - timedelta(days=9), {}),
            FormerCustom(NOON, {"rate": "2.5", "größe": "ä|\U0001f388"}),
        ),
    )


def _bill(identity: str) -> LockedBill:
    return LockedBill(
        identity,
        SubscriptionId("ffffffff-0000-0000-0000-000000000000"),
        Period(at(1), at(2)),
        (),
        (DimensionAmount(DimensionId("usage_fee"), Decimal("0.01"), LONG),),
        {"c": Decimal("0.5")},
    )


def _subscription(guid: str) -> Subscription:
    return Subscription(
        id=SubscriptionId(guid),
        offer="offer",
        spells=(PlanSpell("gold", at(1)), PlanSpell("silver", at(2, 15))),
        status=SubscriptionStatus.SUBSCRIBED,
        name="Größe",
        quantity=3,
        start=at(1),
    )
