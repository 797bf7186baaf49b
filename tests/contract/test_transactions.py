"""How many requests the product sends to Table storage, counted at the wire."""

import math
from collections import Counter
from collections.abc import Iterator

import pytest

from shared.domain.ids import SHARDS, AccountCode, shard_of
from tests.benchmarks.parts.stage import Stage, stage
from tests.benchmarks.transactions import (
    CASES,
    IDLE_OPERATIONS,
    REDELIVERED,
    Case,
    draw,
    ingestion,
    redelivery,
    runs,
)

SEED = 1
ENTITIES = 100


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as made:
        made.load_catalog(made.boot())
        yield made


def fewest(drawn: list[str]) -> int:
    """Transactions that events need with one partial an account and transaction, by shard."""
    total = 0
    for shard in range(SHARDS):
        counts = Counter(a for a in drawn if shard_of(AccountCode(a)) == shard)
        total += math.ceil((sum(counts.values()) + len(counts)) / ENTITIES)
    return total


def test_runs_read_little_and_idle_shards_next_to_nothing(on: Stage) -> None:
    made = runs(on, changed=3)
    assert made.worst_idle <= IDLE_OPERATIONS
    assert made.idle_calls == 0
    written = [e for tape in made.idle for e in tape.exchanges if not e.is_read]
    assert [e.operations for e in written] == [1] * SHARDS
    assert 0 < made.busy_calls <= 3
    assert made.reads_an_account <= 4


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: f"{case.accounts} accounts")
def test_a_thousand_events_take_few_transactions_and_no_reads(on: Stage, case: Case) -> None:
    tape = ingestion(on, case, SEED).tape
    least = fewest(draw(case.accounts, SEED))
    assert least <= tape.transactions <= case.transactions
    assert tape.transactions == {1: 11, 1_000: 25}[case.accounts]
    assert {(e.method, e.is_transaction, e.status) for e in tape.exchanges} == {("POST", True, 202)}
    assert sum(e.operations for e in tape.exchanges) >= 1_000


def test_redelivery_looks_every_event_up_once(on: Stage) -> None:
    tape = redelivery(on).tape
    assert (tape.transactions, tape.reads) == (3, REDELIVERED)
    assert len(tape.exchanges) == 3 + REDELIVERED
