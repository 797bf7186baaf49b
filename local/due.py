"""What is due for some usage, worked out a second time: from the raw rows and the price list.

It shares no code with the product, so that a fault of one cannot hide in the other. It knows
what the samples use: SUM and COUNT, graduated bands, months in UTC, and billing by amount.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

type Document = Mapping[str, Any]
"""A catalogue as parsed from YAML or JSON."""


@dataclass(frozen=True, slots=True)
class Used:
    """One row of usage: when, and the measured values by field."""

    time: datetime
    data: Mapping[str, Decimal]


def due_units(
    usage: Iterable[Used], catalog: Document, plan_code: str, now: datetime, *, ended: bool = False
) -> int:
    """Units of the fee dimension (usually cents) due at ``now`` for one account on one plan.

    Every line of a running month is rounded down, of a month that is over half up; ``ended``
    says that the subscription has ended, which ends the month.
    """
    plan = next(plan for plan in catalog["plans"] if plan["code"] == plan_code)
    unit = _exact(plan["billing"]["unitPrice"])
    months: dict[tuple[int, int], list[Used]] = defaultdict(list)
    for row in usage:
        at = row.time.astimezone(UTC)
        months[at.year, at.month].append(row)
    total = Decimal(0)
    for month, rows in months.items():
        over = ended or (now.astimezone(UTC).year, now.astimezone(UTC).month) > month
        rounding = ROUND_HALF_UP if over else ROUND_FLOOR
        for pricing in plan["pricing"]:
            quantity = _quantity(rows, catalog, pricing["aggregation"])
            amount = _graduated(pricing["charge"], quantity)
            total += amount.quantize(Decimal("0.01"), rounding)
    return int(total / unit)


def _quantity(rows: list[Used], catalog: Document, code: str) -> Decimal:
    aggregation = next(a for a in catalog["aggregations"] if a["code"] == code)
    match aggregation["type"]:
        case "SUM":
            return sum((row.data[aggregation["field"]] for row in rows), Decimal(0))
        case "COUNT":
            return Decimal(len(rows))
        case other:
            raise ValueError(f"this check knows SUM and COUNT, not {other}")


def _graduated(charge: Document, quantity: Decimal) -> Decimal:
    if charge["model"] != "TIERED":
        raise ValueError(f"this check knows TIERED prices, not {charge['model']}")
    amount, lower = Decimal(0), Decimal(0)
    for band in charge["bands"]:
        upper = min(quantity, _exact(band["upTo"])) if band.get("upTo") else quantity
        if upper > lower:
            amount += (upper - lower) * _exact(band["unitPrice"])
            lower = upper
    return amount


def _exact(number: object) -> Decimal:
    """A price as it was written: the shortest text of a parsed float is what stood there."""
    return Decimal(str(number))
