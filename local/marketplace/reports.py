"""Accepted usage as GET usageEvents reports it: aggregated per day, with its reconciliation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from local.marketplace.options import Options
from local.marketplace.usage import UsageBook


@dataclass(frozen=True, slots=True)
class Ruling:
    """A reconciliation result set by hand for one day's aggregate."""

    status: str
    processed: Decimal


@dataclass(frozen=True, slots=True)
class DayKey:
    """What GET usageEvents aggregates by."""

    day: datetime
    subscription_id: str
    dimension: str
    plan_id: str


@dataclass(frozen=True, slots=True)
class DayUsage:
    """One row of GET usageEvents."""

    key: DayKey
    submitted: Decimal
    processed: Decimal
    count: int
    recon_status: str


def by_day(
    book: UsageBook, options: Options, rulings: Mapping[DayKey, Ruling], now: datetime
) -> list[DayUsage]:
    """Accepted usage per UTC day, resource, dimension and plan, as old as the options say."""
    visible = now - timedelta(seconds=options.report_delay_seconds)
    matched = now - timedelta(seconds=options.recon_delay_seconds)
    rows: dict[DayKey, DayUsage] = {}
    for record in book:
        if record.received > visible:
            continue
        usage = record.usage
        day = usage.time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        key = DayKey(day, record.subscription_id, usage.dimension, usage.plan_id)
        row = rows.get(key, DayUsage(key, Decimal(0), Decimal(0), 0, "Accepted"))
        processed = usage.quantity if record.received <= matched else Decimal(0)
        rows[key] = replace(
            row,
            submitted=row.submitted + usage.quantity,
            processed=row.processed + processed,
            count=row.count + 1,
            recon_status=row.recon_status if processed else "Submitted",
        )
    return [_ruled(row, rulings.get(key)) for key, row in sorted(rows.items(), key=_order)]


def _ruled(row: DayUsage, ruling: Ruling | None) -> DayUsage:
    if ruling is None:
        if row.recon_status == "Submitted":
            return replace(row, processed=Decimal(0))
        return row
    return replace(row, recon_status=ruling.status, processed=ruling.processed)


def _order(entry: tuple[DayKey, DayUsage]) -> tuple[datetime, str, str, str]:
    key = entry[0]
    return (key.day, key.subscription_id, key.dimension, key.plan_id)
