"""Azure's limits: each at its bound and one beyond."""

import pytest

from shared.domain.errors import TooLarge
from shared.storage import limits
from shared.storage.limits import Property

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
    limits.check_transaction([KEYS] * 100)
    with pytest.raises(TooLarge):
        limits.check_transaction([KEYS] * 101)
    with pytest.raises(ValueError, match="at least one"):
        limits.check_transaction([])


def test_a_transaction_has_four_mebibytes_at_most() -> None:
    megabyte = KEYS | {f"p{n}": b"x" * 60_000 for n in range(12)}
    limits.check_transaction([megabyte] * 4)
    with pytest.raises(TooLarge):
        limits.check_transaction([megabyte] * 5)


def test_what_json_makes_longer_counts_as_it_is_sent() -> None:
    plain = KEYS | {f"p{n}": "x" * 30_000 for n in range(8)}
    escaped = KEYS | {f"p{n}": '"' * 30_000 for n in range(8)}
    limits.check_transaction([plain] * 16)
    with pytest.raises(TooLarge):
        limits.check_transaction([escaped] * 16)


def test_an_entity_is_named_once() -> None:
    limits.check_once(["a", "b"])
    with pytest.raises(ValueError, match="once"):
        limits.check_once(["a", "b", "a"])


def test_a_filter_has_fifteen_comparisons_at_most() -> None:
    limits.check_comparisons(15)
    with pytest.raises(ValueError, match="15"):
        limits.check_comparisons(16)
