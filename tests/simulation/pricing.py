"""The prices of the simulated publisher, and what they make of usage: computed a second time, in
whole numbers and without the product's rating, so that the two can be compared."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import AmountBilling, MarketplacePlan, Plan, Pricing
from shared.domain.catalog.product import Product
from shared.domain.ids import AggregationCode, FieldCode, MeterCode, PlanCode, ProductCode
from shared.domain.period import Frequency
from shared.domain.rating.charge import Band
from shared.domain.rating.models import QuantityModel
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.tiered import Tiered
from shared.domain.usage.aggregate import AggregationType

OFFER = "contoso-ai"
EPOCH = date(2026, 1, 1)
TOKENS = MeterCode("tokens")
JOBS = MeterCode("jobs")
MILLI = 1000
"""Prices are whole thousandths of a cent here."""

CENT = 100 * MILLI
"""Thousandths of a cent in one unit of the currency."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """A plan in plain numbers: bands of (units up to, price) of tokens, and a price a job."""

    code: str
    sold_as: str
    frequency: Frequency
    bands: tuple[tuple[int | None, int], ...]
    job: int
    cents_a_unit: int = 1


TARIFFS = (
    Tariff("fine", "standard", Frequency.DAILY, ((None, 333),), 1_250),
    Tariff("tiers", "scale", Frequency.DAILY, ((40, 10_100), (200, 5_050), (None, 2_001)), 0),
    Tariff("weeks", "standard", Frequency.WEEKLY, ((90, 3_300), (None, 777)), 4_990, 5),
    Tariff("months", "scale", Frequency.MONTHLY, ((None, 1_499),), 0),
)


def _model(bands: tuple[tuple[int | None, int], ...]) -> QuantityModel:
    if len(bands) == 1:
        return PerUnit(_price(bands[0][1]))
    return Tiered(
        tuple(Band(_price(price), None if top is None else Decimal(top)) for top, price in bands)
    )


def _price(millicents: int) -> Decimal:
    return Decimal(millicents) / CENT


def _plan(tariff: Tariff) -> Plan:
    pricing = [Pricing(AggregationCode("sum"), _model(tariff.bands))]
    if tariff.job:
        pricing.append(Pricing(AggregationCode("count"), PerUnit(_price(tariff.job))))
    return Plan(
        PlanCode(tariff.code),
        ProductCode("ai"),
        tuple(pricing),
        (MarketplacePlan(OFFER, tariff.sold_as),),
        AmountBilling(unit_price=Decimal(tariff.cents_a_unit) / 100),
        tariff.frequency,
    )


def catalog(tariffs: tuple[Tariff, ...], zone: str) -> Catalog:
    """A catalogue of ``tariffs``."""
    n = DataField(FieldCode("n"), FieldCategory.MEASURE)
    meters = (Meter(TOKENS, (n,)), Meter(JOBS, (n,)))
    count = Aggregation(
        AggregationCode("count"), JOBS, AggregationType.COUNT, FieldCode("n"), unit="job"
    )
    total = Aggregation(
        AggregationCode("sum"), TOKENS, AggregationType.SUM, FieldCode("n"), unit="token"
    )
    return Catalog(
        Organization("contoso", zone, epoch=EPOCH),
        (Product(ProductCode("ai")),),
        meters,
        (total, count),
        tuple(_plan(tariff) for tariff in tariffs),
    )


def price_of(tariff: Tariff, tokens: int, jobs: int, *, ended: bool) -> int:
    """Whole cents of one period: each line floored while it runs, rounded half up at its end."""
    amount = below = 0
    for top, price in tariff.bands:
        limit = tokens if top is None else min(tokens, top)
        amount += max(0, limit - below) * price
        below = max(below, limit)
    lines = [amount, jobs * tariff.job]
    return sum((line + MILLI // 2) // MILLI if ended else line // MILLI for line in lines)


def period_of(tariff: Tariff, local: datetime) -> tuple[datetime, datetime]:
    """The billing period of a local time, as local times."""
    day = datetime(local.year, local.month, local.day, tzinfo=local.tzinfo)
    match tariff.frequency:
        case Frequency.DAILY:
            return day, day + timedelta(days=1)
        case Frequency.WEEKLY:
            start = day - timedelta(days=(day.date() - EPOCH).days % 7)
            return start, start + timedelta(days=7)
        case _:
            start = day.replace(day=1)
            year, month = divmod(start.year * 12 + start.month, 12)
            return start, start.replace(year=year, month=month + 1)
