"""A usage file, replayed and billed on the whole stack, and replayed again to no effect."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

import pytest

from local.clients import checked
from local.processes import Processes
from local.replay.command import replay
from local.replay.options import parse
from local.samples.files import CATALOG
from local.samples.generator import write
from local.stack import Stack, running_stack
from local.terminal import Terminal

ACCOUNTS = 3
ROWS = 900
MARGIN = timedelta(hours=6)
BANDS = {
    "prompt_tokens": [(500_000, "0.000012"), (1_000_000, "0.000009"), (None, "0.000006")],
    "completion_tokens": [(50_000, "0.00006"), (None, "0.000048")],
    "requests": [(100, "0"), (None, "0.0015")],
}
"""Plan standard of the sample catalogue, written down a second time."""


def expected_cents(path: Path) -> list[int]:
    """Cents by account, from the file alone: row n belongs to account n modulo the number."""
    sums: dict[tuple[int, str], Decimal] = {}
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            for name in BANDS:
                key = (number % ACCOUNTS, name)
                sums[key] = sums.get(key, Decimal(0)) + Decimal(row.get(name, "1"))
    cents = [0] * ACCOUNTS
    for (account, name), quantity in sums.items():
        amount, lower = Decimal(0), Decimal(0)
        for bound, price in BANDS[name]:
            upper = quantity if bound is None else min(quantity, Decimal(bound))
            amount += max(upper - lower, Decimal(0)) * Decimal(price)
            lower = max(upper, lower)
        cents[account] += int((amount * 100).to_integral_value(ROUND_FLOOR))
    return cents


@contextmanager
def stack_with_catalogue(directory: Path) -> Iterator[tuple[Stack, Processes]]:
    with running_stack(directory, lambda *_: None) as (stack, processes):
        now = stack.simulator.now()
        if (now + MARGIN).month != now.month:
            # Bands begin anew with a month, which expected_cents does not know.
            stack.simulator.advance_to(now + MARGIN)
        document = CATALOG.read_bytes()
        staff = stack.administrator()
        checked(staff.send("PUT", "/api/catalog", document, "application/yaml"))
        yield stack, processes


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    path = tmp_path / "usage.csv"
    with path.open("w") as file:
        write(file, seed=7, count=ROWS)
    return path


def test_a_replayed_file_is_billed_to_the_cent_and_only_once(tmp_path: Path, usage: Path) -> None:
    command = [
        str(usage),
        *("--buy", str(ACCOUNTS), "--meter", "requests", "--bill", "--batch", "200"),
        *("--time-column", "timestamp", "--assume-utc", "--shift-to-now", "3h"),
        *("--map", "prompt_tokens=contextTokens", "--map", "completion_tokens=generatedTokens"),
    ]
    with stack_with_catalogue(tmp_path / "stack") as (stack, processes):
        output = io.StringIO()
        assert replay(parse(command), stack, Terminal(output)) == 0, output.getvalue()
        assert f"{ROWS} accepted, 0 duplicate" in output.getvalue()
        accepted = stack.simulator.accepted()
        bought = stack.simulator.subscribed()
        assert [accepted[account] for account in bought] == expected_cents(usage)

        calls = stack.simulator.metering_calls()
        assert calls > 0
        output = io.StringIO()
        assert replay(parse(command), stack, Terminal(output)) == 0, output.getvalue()
        assert f"0 accepted, {ROWS} duplicate" in output.getvalue()
        assert stack.simulator.accepted() == accepted
        assert "The run made 0 calls" in output.getvalue()
        assert stack.simulator.metering_calls() == calls
        processes.check()
