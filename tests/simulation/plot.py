"""What a history is about: how long, how big, how bad. Drawn once from the seed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from shared.domain.ids import Shard
from tests.simulation.chaos import KINDS
from tests.simulation.pricing import TARIFFS, Tariff

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Plot:
    """The frame of one history. Rates are chances a call; spans are in hours."""

    start: datetime
    hours: int
    shards: tuple[Shard, ...]
    customers: int
    instances: int
    tariffs: tuple[Tariff, Tariff]
    zone: str
    offset: timedelta
    requests_an_hour: float
    duplicates: float
    late: float
    rate: float
    weights: dict[str, float]
    market_rate: float
    market_weights: dict[str, float]
    outages: tuple[tuple[datetime, datetime], ...]
    blackouts: tuple[tuple[datetime, datetime], ...]
    lost_runs: float
    doubled_runs: float
    lost_notices: float
    moves: float
    daily: bool
    old_accepted_is_duplicate: bool
    foreign: float
    """Chance that somebody else reports for a subscription in an hour."""

    report_lag: timedelta


MARKET_FAULTS = ("lost request", "lost answer", "delayed", "throttled", "refused", "partial")


def draw(rng: Random) -> Plot:
    """A plot. Faults come in swarms: each history is rich in some kinds and free of others."""
    start = datetime(2026, 3, 1, tzinfo=UTC) + HOUR * rng.randrange(24 * 30)
    hours = rng.choice((48, 72, 96, 144))
    zone, offset = rng.choice((("UTC", 0), ("UTC", 0), ("UTC", 0), ("Asia/Kolkata", 330)))
    shards = rng.sample(range(16), rng.choice((1, 2, 2)))
    standard = [t for t in TARIFFS if t.sold_as == "standard"]
    scale = [t for t in TARIFFS if t.sold_as == "scale"]
    customers = rng.randrange(8, 33)
    market_rate = rng.choice((0.0, 0.0, 0.05, 0.1, 0.3))
    outages = _spans(rng, start, hours, rng.choice((0, 0, 1, 1, 2)), 72)
    blackouts = _spans(rng, start, hours, rng.choice((0, 0, 0, 1)), 30)
    return Plot(
        start=start,
        hours=hours,
        shards=tuple(Shard(n) for n in sorted(shards)),
        customers=customers,
        instances=rng.choice((1, 2, 2, 3, 3, 4)),
        tariffs=(rng.choice(standard), rng.choice(scale)),
        zone=zone,
        offset=timedelta(minutes=offset),
        requests_an_hour=customers * rng.uniform(0.35, 0.6),
        duplicates=rng.choice((0.0, 0.05, 0.3)),
        late=rng.choice((0.0, 0.01, 0.05, 0.2)),
        rate=rng.choice((0.0, 0.005, 0.01, 0.02, 0.04, 0.08)),
        weights={kind: rng.choice((0.01, 0.3, 1.0, 3.0)) for kind in KINDS},
        market_rate=market_rate,
        market_weights={kind: rng.choice((0.01, 0.3, 1.0, 3.0)) for kind in MARKET_FAULTS},
        outages=outages,
        blackouts=blackouts,
        lost_runs=rng.choice((0.0, 0.05, 0.3)),
        doubled_runs=rng.choice((0.0, 0.1, 0.4)),
        lost_notices=rng.choice((0.0, 0.3)),
        moves=rng.choice((0.0, 0.005, 0.02)),
        daily=rng.random() < 0.25,
        old_accepted_is_duplicate=rng.random() < 0.5,
        foreign=rng.choice((0.0, 0.0, 0.01, 0.03)),
        report_lag=rng.choice((timedelta(), HOUR * 1.5)),
    )


def _spans(
    rng: Random, start: datetime, hours: int, count: int, longest: int
) -> tuple[tuple[datetime, datetime], ...]:
    """Spans that do not overlap; most are short."""
    spans: list[tuple[datetime, datetime]] = []
    for _ in range(count):
        begin = start + HOUR * (rng.random() * hours)
        end = begin + HOUR * (1 + rng.random() ** 2 * (longest - 1))
        if all(end < first or last < begin for first, last in spans):
            spans.append((begin, end))
    return tuple(sorted(spans))
