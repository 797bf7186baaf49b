"""Simulation: the bills that a plan would make of given usage, or of an account's real usage."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import Plan
from shared.domain.catalog.segment import UNSPLIT, SegmentKey
from shared.domain.catalog.timeline import Timeline
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import FieldError, InvalidInput, NotFound
from shared.domain.grants import Credit, Prepayment
from shared.domain.ids import AccountCode, AggregationCode, MeterCode, PlanCode, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.period import cell_minutes, cell_of
from shared.domain.rating.account_bill import Bill
from shared.domain.rating.compose import compose
from shared.domain.rating.proration import midnight
from shared.domain.rating.rate import plan_rating, rate, usage_span
from shared.domain.rating.statement import Member, state
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.event import DataValue, UsageEvent
from shared.domain.usage.partial import Partial
from shared.domain.wire import WIRE
from shared.ports import Accounts, Clock
from shared.services.directory import CatalogCache
from shared.services.fold import Fold

SUPPOSED = AccountCode("simulation")
MAX_EVENTS = 1_000
MAX_DAYS = 1_100
MAX_COUNT = 1_000_000

_COUNTED = (AggregationType.COUNT, AggregationType.UNIQUE)


@dataclass(frozen=True, slots=True)
class SupposedEvent:
    """An event that might be reported."""

    __pydantic_config__: ClassVar = WIRE

    meter: MeterCode
    time: datetime
    data: Mapping[str, DataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Supposition:
    """What to suppose: a plan, from midnight of ``start`` to midnight of ``end``, and usage.

    ``plan`` is one of the catalogue, or ``plan_document`` a plan written out. Usage is what
    ``account`` has reported, ``events``, or ``quantities`` by aggregation, used on the first day.
    """

    __pydantic_config__: ClassVar = WIRE

    start: date
    end: date
    plan: PlanCode | None = None
    plan_document: Plan | None = None
    account: AccountCode | None = None
    quantities: Mapping[AggregationCode, Decimal] = field(default_factory=dict)
    events: tuple[SupposedEvent, ...] = ()
    prepayments: tuple[Decimal, ...] = ()
    credits: tuple[Decimal, ...] = ()
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Simulate:
    """Makes bills that are stored nowhere."""

    accounts: Accounts
    catalogs: CatalogCache
    fold: Fold
    clock: Clock

    def __call__(self, supposed: Supposition) -> list[Bill]:
        """The bills, oldest first. Raises ``InvalidInput`` with every fault, ``NotFound`` for a
        plan or an account that does not exist."""
        current = self.catalogs.current()
        if current is None:
            raise NotFound("there is no catalogue yet")
        faults = list(_faults(supposed))
        if faults:
            raise InvalidInput("this cannot be simulated", faults)
        catalog, plan = _with_plan(current, supposed)
        record = self._record(catalog, plan, supposed)
        subscription, (attached,) = record.subscriptions[0], record.plans
        end = attached.end or attached.start
        timeline = Timeline.of(catalog)
        steps = plan_rating(record, timeline, end)
        if supposed.account is not None:
            span = usage_span(steps, end)
            usage = self.fold(record.account.shard, supposed.account, (), span).cells()
        else:
            usage = list(_cells(catalog, supposed, record.account.time_zone or "UTC"))
        rated = rate(subscription, steps, usage, end)
        statement = state([Member(record, rated.periods)], subscription, timeline, end)
        return [compose(statement, period, end) for period in statement.wholes()]

    def _record(self, catalog: Catalog, plan: PlanCode, supposed: Supposition) -> AccountRecord:
        account = Account(SUPPOSED)
        if supposed.account is not None:
            found = self.accounts.load(supposed.account)
            if found is None:
                raise NotFound(f"there is no account {supposed.account}")
            account = found.value.account
        zone = supposed.time_zone or account.time_zone or catalog.organization.time_zone
        start, end = midnight(supposed.start, zone), midnight(supposed.end, zone)
        spell = PlanSpell("simulation", start)
        subscription = Subscription(
            SubscriptionId("simulation"),
            "simulation",
            (spell,),
            SubscriptionStatus.UNSUBSCRIBED,
            start=start,
            end=end,
        )
        return AccountRecord(
            replace(account, time_zone=zone),
            (AccountPlan("simulation", plan, start, end),),
            (subscription,),
            prepayments=tuple(
                Prepayment(f"prepayment {n}", amount, start)
                for n, amount in enumerate(supposed.prepayments, 1)
            ),
            credits=tuple(
                Credit(f"credit {n}", amount, start) for n, amount in enumerate(supposed.credits, 1)
            ),
        )


def _faults(supposed: Supposition) -> Iterable[FieldError]:
    if (supposed.plan is None) is (supposed.plan_document is None):
        yield FieldError("/plan", "give one of plan, a code, and planDocument, a plan")
    if not supposed.start < supposed.end <= supposed.start + timedelta(days=MAX_DAYS):
        yield FieldError("/end", f"must lie after start, at most {MAX_DAYS} days")
    kinds = [bool(supposed.account), bool(supposed.quantities), bool(supposed.events)]
    if sum(kinds) > 1:
        yield FieldError("", "give one of account, quantities and events")
    if len(supposed.events) > MAX_EVENTS:
        yield FieldError("/events", f"has {len(supposed.events)} events; give at most {MAX_EVENTS}")
    for number, event in enumerate(supposed.events):
        if event.time.tzinfo is None:
            yield FieldError(f"/events/{number}/time", "must name its zone, such as Z")
    for name in ("prepayments", "credits"):
        for number, amount in enumerate(getattr(supposed, name)):
            if not amount.is_finite() or amount < 0:
                yield FieldError(f"/{name}/{number}", "must be 0 or more")


def _with_plan(catalog: Catalog, supposed: Supposition) -> tuple[Catalog, PlanCode]:
    """The catalogue with the supposed plan in it."""
    written = supposed.plan_document
    if written is None:
        code = PlanCode(supposed.plan or "")
        catalog.plan(code)
        return catalog, code
    others = tuple(plan for plan in catalog.plans if plan.code != written.code)
    place = len(others)
    supposed_catalog = replace(catalog, plans=(*others, replace(written, marketplace=())))
    prefix = f"/plans/{place}"
    faults = [
        FieldError(f"/planDocument{fault.pointer.removeprefix(prefix)}", fault.message)
        for fault in faults_of(supposed_catalog)
        if fault.pointer.startswith(prefix)
    ]
    if faults:
        raise InvalidInput("the plan cannot be used", faults)
    return supposed_catalog, written.code


def _cells(catalog: Catalog, supposed: Supposition, zone: str) -> Iterable[CellUsage]:
    """Supposed usage, put into cells as ingestion would."""
    cells: dict[tuple[MeterCode, SegmentKey, datetime], Partial] = {}
    faults: list[FieldError] = []
    for number, event in enumerate(supposed.events):
        intake = catalog.intake(event.meter)
        taken = intake.take(event.data) if intake is not None else None
        if taken is None:
            message = f"there is no meter {event.meter}"
            faults.append(FieldError(f"/events/{number}/meter", message))
        elif isinstance(taken, tuple):
            faults += [FieldError(f"/events/{number}{f.pointer}", f.message) for f in taken]
        else:
            cell = cell_of(event.time, cell_minutes(zone))
            whole = UsageEvent(str(number), SUPPOSED, event.meter, event.time, taken.data)
            cells.setdefault((event.meter, taken.segment, cell), Partial()).add(whole)
    if faults:
        raise InvalidInput("some events cannot be used", faults)
    for (meter, segment, cell), partial in cells.items():
        yield CellUsage(meter, segment, cell, partial)
    yield from _quantities(catalog, supposed, midnight(supposed.start, zone))


def _quantities(catalog: Catalog, supposed: Supposition, start: datetime) -> Iterable[CellUsage]:
    """Measures of aggregations as the least usage that makes them: one event a meter, or as many
    as are counted."""
    data: dict[MeterCode, dict[str, DataValue]] = {}
    counts: dict[MeterCode, int] = {}
    for code, quantity in supposed.quantities.items():
        place = f"/quantities/{code}"
        measure = catalog.find_measure(code)
        if not isinstance(measure, Aggregation) or measure.segmented_fields:
            why = "is no simple aggregation without segments; give events instead"
            raise InvalidInput(f"{code} {why}", [FieldError(place, why)])
        if measure.type in _COUNTED:
            if measure.type is AggregationType.UNIQUE or not 0 <= quantity <= MAX_COUNT:
                why = f"cannot be counted out; give events, or at most {MAX_COUNT}"
                raise InvalidInput(f"{code} {why}", [FieldError(place, why)])
            counts[measure.meter] = int(quantity)
        else:
            data.setdefault(measure.meter, {})[measure.field or ""] = quantity
    for meter in data.keys() | counts.keys():
        partial = Partial()
        if meter in data:
            partial.add(UsageEvent("measured", SUPPOSED, meter, start, data[meter]))
        partial.events = counts.get(meter, partial.events)
        yield CellUsage(meter, UNSPLIT, start, partial)
