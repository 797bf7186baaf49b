"""The page of costs: what it is computed from is what the product asks of storage today."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import costs
from tests.benchmarks.parts.stage import Stage, events_of, post, stage
from tests.benchmarks.transactions import Runs, runs

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text()


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Storage that counts."""
    with stage(tmp_path_factory.mktemp("stage")) as made:
        made.load_catalog(made.boot())
        yield made


@pytest.fixture(scope="module")
def counted(on: Stage) -> Runs:
    """Runs with some accounts that have news, and with none."""
    return runs(on, changed=5)


def test_an_idle_shard_costs_what_the_page_says(counted: Runs) -> None:
    worst = max(tape.reads + entities(tape.exchanges) for tape in counted.idle)
    assert worst == costs.IDLE_SHARD


def test_an_account_with_news_costs_what_the_page_says(counted: Runs) -> None:
    idle = counted.idle_total
    reads = counted.busy.reads - idle.reads
    written = entities(counted.busy.exchanges) - entities(idle.exchanges)
    assert (reads + written) / counted.changed == pytest.approx(costs.CHANGED_ACCOUNT, rel=0.05)


def entities(exchanges: object) -> int:
    """Operations that are no reads: what transactions and single writes hold."""
    return sum(e.operations for e in exchanges if not e.is_read)  # type: ignore[attr-defined] # of a tape


@pytest.mark.parametrize("accounts", [1, 20, 500])
def test_an_event_costs_what_the_page_says(on: Stage, accounts: int) -> None:
    chosen = random.Random(1)
    names = [f"costs-{accounts}-{chosen.randrange(accounts)}" for _ in range(400)]
    on.make_accounts(sorted(set(names)))
    app, moment = on.boot(), on.to_minute(20)
    post(app, events_of(sorted(set(names)), moment))
    on.relay.tape.cut()
    size = costs.EVENTS_A_REQUEST
    for start in range(0, len(names), size):
        post(app, events_of(names[start : start + size], moment))
    written = entities(on.relay.tape.cut().exchanges)
    assert written / len(names) == pytest.approx(costs.entities_an_event(accounts), rel=0.05)


@pytest.mark.parametrize(
    ("accounts", "written"), [(1, 1_011), (1_000, 1_640)], ids=["1 account", "1,000 accounts"]
)
def test_the_formula_agrees_with_the_counts_of_the_page(accounts: int, written: int) -> None:
    assert f"| 1,000 new events of {accounts:,} account" in PAGE
    assert f"| {written:,} |" in PAGE
    assert costs.entities_an_event(accounts, 1_000) * 1_000 == pytest.approx(written, rel=0.02)


def test_the_page_names_the_counts_that_it_is_computed_from() -> None:
    idle = re.search(r"an idle shard, an hour \| (\d+) \| \d+ \| (\d+) \|", PAGE)
    changed = re.search(r"new usage, an hour \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|", PAGE)
    assert idle
    assert changed
    assert int(idle[1]) + int(idle[2]) == costs.IDLE_SHARD
    assert float(changed[1]) + float(changed[2]) == pytest.approx(costs.CHANGED_ACCOUNT)


def test_the_page_shows_what_is_computed() -> None:
    assert costs.table() in PAGE


def test_costs_grow_with_the_size_of_the_publisher() -> None:
    sums = [sum(costs.lines(size).values()) for size in costs.SIZES]
    assert sums == sorted(sums)
    assert sums[0] < 20


def test_the_price_of_alerts_is_that_of_all_rules_and_queues() -> None:
    alerts = (Path(__file__).parents[2] / "infra/bicep/modules/alerts.bicep").read_text()
    rules = len(re.findall(r"^    query: ", alerts, re.MULTILINE))
    assert pytest.approx(rules * 0.50 + 3 * 0.10) == costs.ALERTS
