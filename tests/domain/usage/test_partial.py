"""Partials are a commutative monoid over events, exact, and survive storage."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, MeterCode
from shared.domain.usage.aggregate import AggregationType, aggregate
from shared.domain.usage.event import DataValue, UsageEvent
from shared.domain.usage.partial import (
    MAX_DISTINCT,
    TEXT_LIMIT,
    Partial,
    from_json,
    merged,
    to_json,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
UNIQUE = frozenset({"user", "tokens"})

NUMBERS = st.decimals(-(10**14), 10**14, places=9) | st.integers(-3, 3).map(Decimal)
DATA = st.fixed_dictionaries(
    {}, optional={"tokens": NUMBERS, "user": st.text(max_size=3), "size": NUMBERS}
)


def event(
    name: str, data: dict[str, DataValue], time: datetime = START, source: str = ""
) -> UsageEvent:
    return UsageEvent(name, AccountCode("a"), MeterCode("m"), time, data, source)


def _moved(events: Sequence[UsageEvent]) -> list[UsageEvent]:
    """The same events under ids of their own, as identity demands."""
    return [event(f"e{n}", dict(e.data), e.time, e.source) for n, e in enumerate(events)]


EVENTS = st.lists(
    st.builds(
        event,
        name=st.just(""),
        data=DATA,
        time=st.integers(0, 5).map(lambda n: START + timedelta(milliseconds=n * 500)),
        source=st.sampled_from(["", "eu"]),
    ),
    max_size=12,
).map(_moved)


def partial_of(events: Sequence[UsageEvent], unique: frozenset[str] = UNIQUE) -> Partial:
    partial = Partial()
    for one in events:
        partial.add(one, unique)
    return partial


def split(events: Sequence[UsageEvent], homes: Sequence[int]) -> list[Partial]:
    """Three partials of different generations; the last one does not keep distinct values."""
    parts = [Partial(generation=number) for number in (1, 0, 2)]
    for one, home in zip(events, homes, strict=False):
        parts[home].add(one, UNIQUE if home < 2 else frozenset())
    return parts


HOMES = st.lists(st.integers(0, 2), min_size=12, max_size=12)


@given(EVENTS, HOMES)
def test_merging_is_commutative_and_associative_with_an_identity(
    events: list[UsageEvent], homes: list[int]
) -> None:
    one, two, three = split(events, homes)
    assert merged([one, two]) == merged([two, one])
    assert merged([merged([one, two]), three]) == merged([one, merged([two, three])])
    assert merged([one, Partial()]) == merged([Partial(), one]) == one


@given(EVENTS, HOMES, st.permutations(range(3)))
def test_any_split_gives_the_same_aggregates(
    events: list[UsageEvent], homes: list[int], order: list[int]
) -> None:
    parts = [Partial() for _ in order]
    for one, home in zip(events, homes, strict=False):
        parts[order[home]].add(one, UNIQUE)
    together, whole = merged(parts), partial_of(events)
    assert together == whole
    for kind in AggregationType:
        assert aggregate(kind, together, "tokens") == aggregate(kind, whole, "tokens")


@given(EVENTS.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_of_arrival_does_not_matter(
    pair: tuple[list[UsageEvent], list[UsageEvent]],
) -> None:
    assert partial_of(pair[0]) == partial_of(pair[1])


@given(EVENTS, HOMES)
def test_statistics_equal_those_of_the_events(events: list[UsageEvent], homes: list[int]) -> None:
    together = merged(split(events, homes))
    values = [v for e in events if isinstance(v := e.data.get("tokens"), Decimal)]
    assert together.events == len(events)
    assert ("tokens" in together.fields) is bool(values)
    if values:
        stats = together.fields["tokens"]
        assert stats.count == len(values)
        assert Fraction(stats.total) == sum(map(Fraction, values))
        assert (stats.least, stats.greatest) == (min(values), max(values))
        times = {(e.time, e.id): e.data["tokens"] for e in events if "tokens" in e.data}
        assert stats.first is not None
        assert stats.latest is not None
        assert stats.first[1] == times[min(times)]
        assert stats.latest[1] == times[max(times)]


@given(EVENTS)
def test_unique_counts_different_values(events: list[UsageEvent]) -> None:
    partial = partial_of(events)
    for name in UNIQUE:
        values = {e.data[name] for e in events if name in e.data}
        assert aggregate(AggregationType.UNIQUE, partial, name) == len(values)


@given(EVENTS, HOMES)
def test_storage_gives_back_what_was_stored(events: list[UsageEvent], homes: list[int]) -> None:
    for partial in (*split(events, homes), merged(split(events, homes))):
        text = json.dumps(to_json(partial))
        assert from_json(json.loads(text)) == partial
        assert json.dumps(to_json(from_json(json.loads(text)))) == text


def test_merging_leaves_the_other_untouched() -> None:
    one = partial_of([event("e1", {"user": "ann", "tokens": Decimal(1)})])
    two = partial_of([event("e2", {"user": "bob", "tokens": Decimal(2)})])
    before = two.copy()
    both = merged([one, two])
    both.add(event("e3", {"user": "eve", "tokens": Decimal(4)}), UNIQUE)
    assert two == before
    assert before.fields["user"].distinct is not two.fields["user"].distinct


def test_latest_is_by_instant_whatever_the_zone() -> None:
    east = timezone(timedelta(hours=5))
    early = event("e1", {"n": Decimal(1)}, datetime(2026, 1, 1, 4, 59, tzinfo=east))
    late = event("e2", {"n": Decimal(2)}, datetime(2026, 1, 1, 0, 0, tzinfo=UTC))
    assert aggregate(AggregationType.LATEST, partial_of([late, early]), "n") == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("e1", ""), ("e2", ""), id="by-id"),
        pytest.param(("e1", "a"), ("e1", "b"), id="by-source-under-one-id"),
        pytest.param(("e1", "z"), ("e2", "a"), id="by-id-before-source"),
    ],
)
def test_ties_of_time_are_decided_by_identity(one: tuple[str, str], other: tuple[str, str]) -> None:
    loser = event(one[0], {"n": Decimal(9)}, source=one[1])
    winner = event(other[0], {"n": Decimal(1)}, source=other[1])
    for arrival in ([loser, winner], [winner, loser]):
        assert aggregate(AggregationType.LATEST, partial_of(arrival), "n") == 1


def test_a_fraction_of_a_second_is_later() -> None:
    late = event("a", {"n": Decimal(2)}, START + timedelta(microseconds=1))
    early = event("b", {"n": Decimal(1)}, START)
    assert aggregate(AggregationType.LATEST, partial_of([late, early]), "n") == 2


def test_only_wanted_fields_keep_their_values() -> None:
    partial = partial_of([event("e1", {"user": "ann", "tokens": Decimal(1)})], frozenset())
    assert "u" not in to_json(partial)
    partial = partial_of([event("e1", {"user": "ann"})], frozenset({"user", "absent"}))
    assert to_json(partial)["u"] == {"user": [1, 0, "GcXvaAhZv/U="]}


def test_a_full_set_of_values_fits_into_few_properties() -> None:
    partial = partial_of(
        [event(f"e{n}", {"user": f"user-{n}"}) for n in range(MAX_DISTINCT + 1)],
        frozenset({"user"}),
    )
    stored = json.loads(json.dumps(to_json(partial)))
    seen, saturated, *texts = stored["u"]["user"]
    assert (seen, saturated, len(texts)) == (10_001, 1, 4)
    assert all(len(text) <= TEXT_LIMIT for text in texts)
    assert from_json(stored) == partial
    assert aggregate(AggregationType.UNIQUE, from_json(stored), "user") == MAX_DISTINCT


def test_cells_that_are_full_count_together() -> None:
    halves = [
        partial_of(
            [event(f"e{n}", {"user": f"{half}-{n}"}) for n in range(MAX_DISTINCT)],
            frozenset({"user"}),
        )
        for half in range(2)
    ]
    assert aggregate(AggregationType.UNIQUE, merged(halves), "user") == 2 * MAX_DISTINCT


def test_a_sum_that_would_lose_a_digit_is_refused() -> None:
    partial = partial_of([event("e1", {"n": Decimal(10) ** 33})])
    with pytest.raises(Inexact):
        partial.add(event("e2", {"n": Decimal("0.01")}))


def test_a_new_partial_is_of_the_first_generation() -> None:
    assert to_json(Partial()) == {"n": 0, "g": 0, "f": {}}
    assert Partial().rank == (0, 0)


def test_rank_orders_by_generation_before_events() -> None:
    assert Partial(events=9, generation=0).rank < Partial(events=1, generation=1).rank
    assert Partial(events=1, generation=1).rank < Partial(events=2, generation=1).rank


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param({"f": []}, ValueError, id="fields-not-an-object"),
        pytest.param({"u": []}, ValueError, id="uniques-not-an-object"),
        pytest.param({"u": {"user": "x"}}, ValueError, id="uniques-not-a-list"),
        pytest.param({"u": {"user": [1, 0, "AAAA"]}}, ValueError, id="half-a-digest"),
        pytest.param({"u": {"user": [1, 0, "?"]}}, ValueError, id="not-base64"),
        pytest.param({"u": {"other": [0, 0]}}, KeyError, id="unique-of-no-field"),
        pytest.param({"f": {"user": [1]}}, ValueError, id="too-few-statistics"),
        pytest.param({"n": "many"}, ValueError, id="count-not-a-number"),
    ],
)
def test_what_storage_never_wrote_is_refused(
    change: dict[str, object], error: type[Exception]
) -> None:
    stored = to_json(partial_of([event("e1", {"user": "ann"})]))
    with pytest.raises(error):
        from_json(stored | change)
