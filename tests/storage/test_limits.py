"""Azure's limits: each at its bound and one beyond."""

import pytest

from shared.domain.errors import TooLarge
from shared.storage import limits
from shared.storage.batch_wire import batch_body
from shared.storage.limits import Property
from shared.storage.operations import Replace

KEYS: dict[str, Property] = {"PartitionKey": "p", "RowKey": "r"}


def of_size(total: int) -> dict[str, Property]:
    """An entity that takes ``total`` bytes by Azure's formula: 4 for it, keys at two bytes a
    character, each property 8 and its name and value."""
    entity = dict(KEYS)
    left = total - 4 - 2 - 2
    number = 0
    while left:
        name = f"p{number:02}"
        overhead = 8 + 2 * len(name)
        size = min(left - overhead, 60_000)
        if 0 < left - overhead - size < overhead + 1:
            size -= 100
        entity[name] = b"x" * size
        left -= overhead + size
        number += 1
    return entity


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        pytest.param({"text": "ü" * 32_768}, {"text": "ü" * 32_769}, id="text"),
        pytest.param({"text": "🎈" * 16_384}, {"text": "🎈" * 16_385}, id="beyond the plane"),
        pytest.param({"data": b"x" * 65_536}, {"data": b"x" * 65_537}, id="binary"),
        pytest.param({"RowKey": "k" * 512}, {"RowKey": "k" * 513}, id="row key"),
        pytest.param({"PartitionKey": "k" * 512}, {"PartitionKey": "k" * 513}, id="partition"),
        pytest.param(
            {f"p{n}": "" for n in range(252)}, {f"p{n}": "" for n in range(253)}, id="properties"
        ),
        pytest.param(of_size(1024 * 1024), of_size(1024 * 1024 + 1), id="entity"),
    ],
)
def test_an_entity_has_limits(fits: dict[str, Property], exceeds: dict[str, Property]) -> None:
    limits.check_entity(KEYS | fits)
    with pytest.raises(TooLarge):
        limits.check_entity(KEYS | exceeds)


def test_a_transaction_has_a_hundred_entities_at_most() -> None:
    limits.check_entities(100)
    with pytest.raises(TooLarge):
        limits.check_entities(101)
    with pytest.raises(ValueError, match="at least one"):
        limits.check_entities(0)


@pytest.mark.parametrize("text", ["x" * 9_000, '"\n\\' * 3_000, "ü🎈" * 3_000])
def test_an_operation_is_estimated_from_above(text: str) -> None:
    row = "r" * 200
    properties: dict[str, Property] = {"text": text, "data": bytes(range(256)) * 90}
    operation = Replace(row, properties, "W/\"datetime'2026-11-22T09%3A32%3A35.5467045Z'\"")
    url = "https://account.table.core.windows.net/Usage20261122"
    sent = len(batch_body(url, "s00", [operation] * 2)) - len(batch_body(url, "s00", [operation]))
    assert sent <= limits.operation_bytes(properties) <= sent + 3_000


def test_an_entity_is_named_once() -> None:
    limits.check_once(["a", "b"])
    with pytest.raises(ValueError, match="once"):
        limits.check_once(["a", "b", "a"])


def test_a_filter_has_fifteen_comparisons_at_most() -> None:
    limits.check_comparisons(15)
    with pytest.raises(ValueError, match="15"):
        limits.check_comparisons(16)
