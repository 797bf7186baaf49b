"""A customer with usage, rated as the hourly run does it: records are kept between ratings."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan, Pricing, PricingKind
from shared.domain.catalog.timeline import Timeline
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    FieldCode,
    MeterCode,
    PlanCode,
    ProductCode,
    SubscriptionId,
)
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.ledger import LedgerKey
from shared.domain.money import to_text
from shared.domain.period import cell_minutes, cell_of, day_of, hour_of
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.locked import LockedBill
from shared.domain.rating.models import ChargeModel
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.rate import Rated, plan_rating, rate, usage_span
from shared.domain.rating.statement import Member, Statement, state
from shared.domain.rating.totals import totals
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial, merged

UNITS, REFUNDS = MeterCode("units"), MeterCode("refunds")
AI = ProductCode("ai")
CONTOSO = Organization("contoso", epoch=date(2026, 1, 1))
DOLLAR = PerUnit(Decimal(1))
ACME = Account(AccountCode("acme"))


def utc(month: int, day: int, hour: int = 0, minute: int = 0, *, year: int = 2026) -> datetime:
    """An instant of 2026."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def price(
    charge: ChargeModel = DOLLAR,
    aggregation: str = "units",
    kind: PricingKind = PricingKind.DEBIT,
    **terms: Any,  # noqa: ANN401 - fields of Pricing
) -> Pricing:
    """A price of an aggregation."""
    return Pricing(AggregationCode(aggregation), charge, kind=kind, **terms)


def plan_of(
    *prices: Pricing,
    code: str = "basic",
    **fields: Any,  # noqa: ANN401 - fields of Plan
) -> Plan:
    """A plan; without prices a unit costs a dollar."""
    return Plan(PlanCode(code), AI, prices or (price(),), **fields)


def catalog_of(*plans: Plan, organization: Organization = CONTOSO) -> Catalog:
    """Two meters whose ``n`` is summed, and the plans."""
    sums = tuple(
        Aggregation(AggregationCode(meter), meter, AggregationType.SUM, FieldCode("n"))
        for meter in (UNITS, REFUNDS)
    )
    return Catalog(organization, aggregations=sums, plans=plans)


@dataclass(slots=True)
class Customer:
    """An account alone: what it has, what it used, and what came of it."""

    plan: Plan = field(default_factory=plan_of)
    start: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    end: datetime | None = None
    plans: tuple[AccountPlan, ...] = ()
    others: tuple[Plan, ...] = ()
    organization: Organization = CONTOSO
    account: Account = ACME
    grants: dict[str, Any] = field(default_factory=dict)
    sold: dict[str, Any] = field(default_factory=dict)
    locked: tuple[LockedBill, ...] = ()
    records: dict[str, PeriodRecord] = field(default_factory=dict)
    cells: dict[tuple[MeterCode, datetime], Partial] = field(default_factory=dict)
    number: int = 0

    def use(self, time: datetime, n: object = 1, meter: MeterCode = UNITS) -> datetime:
        """One event; returns the hour that its mark names."""
        self.number += 1
        code = self.account.code
        event = UsageEvent(f"e{self.number}", code, meter, time, {"n": Decimal(str(n))})
        cell = cell_of(time, cell_minutes(self.zone))
        self.cells.setdefault((meter, cell), Partial()).add(event)
        return hour_of(time)

    @property
    def zone(self) -> str:
        """Its time zone."""
        return self.account.time_zone or self.organization.time_zone

    @property
    def timeline(self) -> Timeline:
        """One catalogue for all time."""
        return Timeline.of(catalog_of(self.plan, *self.others, organization=self.organization))

    @property
    def subscription(self) -> Subscription:
        """What it bought."""
        ended = self.end is not None
        status = SubscriptionStatus.UNSUBSCRIBED if ended else SubscriptionStatus.SUBSCRIBED
        spell = PlanSpell("standard", self.start)
        sold = Subscription(SubscriptionId("sub"), "offer", (spell,), status)
        return replace(sold, **{"start": self.start, "end": self.end, **self.sold})

    @property
    def record(self) -> AccountRecord:
        """As stored."""
        attached = AccountPlan("p1", self.plan.code, hour_of(self.start))
        return AccountRecord(
            self.account,
            self.plans or (attached,),
            (self.subscription,),
            dict(self.records),
            locked=self.locked,
            **self.grants,
        )

    def rate(
        self,
        as_of: datetime,
        changed: Sequence[datetime] = (),
        payer: AccountRecord | None = None,
    ) -> Rated:
        """Rate from exactly the days that rating asks for, and keep the new records."""
        steps = plan_rating(self.record, self.timeline, as_of, changed, payer)
        span = usage_span(steps, as_of)
        usage = [
            CellUsage(meter, "", start, merged([partial]))
            for (meter, start), partial in self.cells.items()
            if span is not None and span[0] <= day_of(start) <= span[1]
        ]
        sold = (payer or self.record).subscription
        assert sold is not None
        rated = rate(sold, steps, usage, as_of)
        self.records |= {kept.key: kept for kept in rated.records}
        return rated

    def state(self, as_of: datetime, changed: Sequence[datetime] = ()) -> Statement:
        """Everything owed."""
        rated = self.rate(as_of, changed)
        member = Member(self.record, rated.periods)
        return state([member], rated.subscription, self.timeline, as_of, self.locked)

    def totals(self, as_of: datetime, changed: Sequence[datetime] = ()) -> dict[LedgerKey, Decimal]:
        """Units by ledger row."""
        return totals(self.state(as_of, changed))

    def cents(self, as_of: datetime, changed: Sequence[datetime] = ()) -> int:
        """Cents owed over its life."""
        return int(sum(self.totals(as_of, changed).values(), Decimal(0)))


def amounts(statement: Statement, *kinds: str) -> list[tuple[str, str]]:
    """Kind and amount of every entry that amounts to something."""
    found = [(str(e.kind), to_text(e.amount)) for e in statement.entries if e.amount]
    return [entry for entry in found if not kinds or entry[0] in kinds]
