"""What a deployment costs a month, from operations that `./dev bench transactions` counts."""

import sys
from dataclasses import dataclass

HOURS = 730
SECONDS = HOURS * 3600
SHARDS = 16
GIGABYTES = 2.0
"""Memory of an instance, as deployed by default."""

# Counted on the wire by ./dev bench transactions. An entity of a transaction is counted as an
# operation of its own, which is the dearer reading of the price list.
IDLE_SHARD = 6 + 1
CHANGED_ACCOUNT = 4.1 + 8.1

# Sizes as stored, rounded up.
EVENT_KILOBYTES = 0.5
DAY_KILOBYTES = 3.0
LOG_KILOBYTES = 1.0

# What is assumed of the callers and of an instance.
EVENTS_A_REQUEST = 100
INSTANCE_EVENTS = 500
LINES_A_REQUEST = 4
LINES_A_RUN = 60

# List prices in US dollars, East US, pay as you go. Look them up for another region.
TABLE_MILLION = 0.036
TABLE_GIGABYTE = 0.0562
FLEX_GIGABYTE_SECOND = 0.000026
FLEX_FREE = 100_000
FLEX_MILLION = 0.40
FLEX_FREE_CALLS = 250_000
SERVICE_BUS = 9.81
LOG_GIGABYTE = 2.30
LOG_FREE = 5.0
ALERTS = 11 * 0.50 + 3 * 0.10


@dataclass(frozen=True)
class Size:
    """A publisher: subscriptions, events a second on average, hours of the day with usage."""

    name: str
    subscriptions: int
    events_a_second: float
    busy_hours: int


SIZES = (
    Size("small", 20, 0.04, 12),
    Size("medium", 500, 10, 24),
    Size("large", 10_000, 100, 24),
    Size("limit on paper", 100_000, 1_000, 24),
)


def operations(size: Size) -> float:
    """Operations of Table storage a month."""
    runs = HOURS * SHARDS * IDLE_SHARD
    changed = size.subscriptions * HOURS * size.busy_hours / 24 * CHANGED_ACCOUNT
    return runs + changed + events(size) * entities_an_event(size.subscriptions)


def entities_an_event(accounts: int, request: int = EVENTS_A_REQUEST) -> float:
    """The event itself, and its part of one sum an account and request.

    The accounts of ``request`` events are drawn at random from ``accounts``.
    """
    together = accounts * (1 - (1 - 1 / accounts) ** request)
    return 1 + together / request


def events(size: Size) -> float:
    """Events a month."""
    return size.events_a_second * SECONDS


def gigabytes(size: Size) -> float:
    """Stored after a year, with events kept for 42 days."""
    kept = size.events_a_second * 86_400 * 42 * EVENT_KILOBYTES
    days = size.subscriptions * 365 * DAY_KILOBYTES
    return (kept + days) / 1e6


def active_seconds(size: Size) -> float:
    """Seconds of busy instances: a second at least for each request, or the whole month."""
    requests = events(size) / EVENTS_A_REQUEST
    instances = max(1.0, size.events_a_second / INSTANCE_EVENTS)
    ingestion = min(requests, SECONDS * instances)
    runs = HOURS * (SHARDS * 2 + size.subscriptions * size.busy_hours / 24 * 0.1)
    return ingestion + runs


def lines(size: Size) -> dict[str, float]:
    """Dollars a month by service."""
    requests = events(size) / EVENTS_A_REQUEST
    calls = requests + HOURS * (SHARDS + 1)
    memory = max(0.0, active_seconds(size) * GIGABYTES - FLEX_FREE) * FLEX_GIGABYTE_SECOND
    logs = (requests * LINES_A_REQUEST + HOURS * LINES_A_RUN) * LOG_KILOBYTES / 1e6
    return {
        "Functions": memory + max(0.0, calls - FLEX_FREE_CALLS) / 1e6 * FLEX_MILLION,
        "Table operations": operations(size) / 1e6 * TABLE_MILLION,
        "Table capacity": gigabytes(size) * TABLE_GIGABYTE,
        "Service Bus": SERVICE_BUS,
        "Logs": max(0.0, logs - LOG_FREE) * LOG_GIGABYTE,
        "Alerts": ALERTS,
    }


def table() -> str:
    """All sizes as a Markdown table."""
    bills = [lines(size) for size in SIZES]
    head = ["", *(size.name for size in SIZES)]
    rows = [
        ["subscriptions", *(f"{size.subscriptions:,}" for size in SIZES)],
        ["events a second", *(f"{size.events_a_second:g}" for size in SIZES)],
        ["events a month, millions", *(f"{events(size) / 1e6:,.1f}" for size in SIZES)],
        [
            "table operations a month, millions",
            *(f"{operations(size) / 1e6:,.1f}" for size in SIZES),
        ],
        ["stored after a year, GB", *(f"{gigabytes(size):,.1f}" for size in SIZES)],
    ]
    rows += [[name, *(f"${bill[name]:,.2f}" for bill in bills)] for name in bills[0]]
    rows.append(["**a month**", *(f"**${sum(bill.values()):,.0f}**" for bill in bills)])
    ruled = [head, ["---", *("---:" for _ in SIZES)], *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in ruled)


if __name__ == "__main__":
    sys.stdout.write(table())
