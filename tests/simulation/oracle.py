"""What is due, computed from the stored events and the tariffs alone."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.ids import AccountCode
from shared.ports import EventRow
from tests.simulation.pricing import JOBS, TARIFFS, Tariff, period_of, price_of

HOUR = timedelta(hours=1)
BY_CODE = {tariff.code: tariff for tariff in TARIFFS}

type Sums = list[int]
"""Tokens and jobs."""


@dataclass(slots=True)
class Attached:
    """A tariff in force for [start, end)."""

    tariff: Tariff
    start: datetime
    end: datetime | None
    periods: dict[datetime, Sums] = field(default_factory=dict)
    """By the UTC start of the period."""
    ends: dict[datetime, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class Customer:
    """What the oracle knows of an account: its usage by cell, its life and tariffs."""

    code: AccountCode
    cells: dict[datetime, Sums] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    start: datetime | None = None
    end: datetime | None = None
    plans: tuple[object, ...] = ()
    attached: list[Attached] = field(default_factory=list)
    highest: int = 0
    last_stored: datetime | None = None


class Oracle:
    """Follows stored events and account records; ``offset`` is the zone's, without changes."""

    def __init__(self, offset: timedelta) -> None:
        self.customers: dict[AccountCode, Customer] = {}
        self._offset = offset
        self.minutes = 15 if offset % HOUR else 60

    def customer(self, code: AccountCode) -> Customer:
        """The customer of that account."""
        found = self.customers.get(code)
        if found is None:
            found = self.customers[code] = Customer(code)
        return found

    def account_saved(self, record: AccountRecord, now: datetime) -> None:
        """Take an account's new life and plans."""
        customer, subscription = self.customer(record.account.code), record.subscription
        if subscription is None:
            return
        same = customer.start == subscription.start and customer.end == subscription.end
        if same and customer.plans == record.plans:
            return
        self.due(customer, now)
        customer.start, customer.end = subscription.start, subscription.end
        customer.plans = record.plans
        customer.attached = [Attached(BY_CODE[p.plan], p.start, p.end) for p in record.plans]
        for cell, sums in customer.cells.items():
            self._count(customer, cell, sums[0], sums[1])

    def stored(self, row: EventRow, now: datetime) -> None:
        """Take a stored event into account."""
        customer = self.customer(row.account)
        time = row.event.time
        cell = time.replace(
            minute=time.minute - time.minute % self.minutes, second=0, microsecond=0
        )
        value = row.event.data["n"]
        assert isinstance(value, Decimal)
        job = row.event.meter == JOBS
        tokens, jobs = (0, 1) if job else (int(value), 0)
        sums = customer.cells[cell]
        sums[0] += tokens
        sums[1] += jobs
        customer.last_stored = now
        self._count(customer, cell, tokens, jobs)

    def _count(self, customer: Customer, cell: datetime, tokens: int, jobs: int) -> None:
        """Usage counts by whole cells: from that of the start to the last before the end."""
        if customer.start is None or cell + timedelta(minutes=self.minutes) <= customer.start:
            return
        if customer.end is not None and cell >= customer.end:
            return
        for attached in customer.attached:
            if cell < attached.start or (attached.end is not None and cell >= attached.end):
                continue
            start, end = period_of(attached.tariff, cell + self._offset)
            key = start - self._offset
            sums = attached.periods.setdefault(key, [0, 0])
            attached.ends[key] = end - self._offset
            sums[0] += tokens
            sums[1] += jobs

    def due(self, customer: Customer, now: datetime) -> int:
        """Units due by now; also remembers the most that ever was."""
        cents: dict[int, int] = {}
        for attached in customer.attached:
            unit = attached.tariff.cents_a_unit
            for start, (tokens, jobs) in attached.periods.items():
                ends = attached.ends[start]
                for limit in (attached.end, customer.end):
                    ends = ends if limit is None else min(ends, limit)
                price = price_of(attached.tariff, tokens, jobs, ended=now >= ends)
                cents[unit] = cents.get(unit, 0) + price
        units = sum(amount // unit for unit, amount in cents.items())
        customer.highest = max(customer.highest, units)
        return units
