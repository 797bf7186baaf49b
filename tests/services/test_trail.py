"""The audit trail, page by page: newest first, filtered, nothing twice and nothing left out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.audit import AuditEntry
from shared.services.trail import Place, ReadTrail, TrailQuery
from tests.fakes.clock import FakeClock
from tests.fakes.lifecycle import FakeAuditTrail
from tests.services.world import START

MINUTE = timedelta(minutes=1)


def entry(number: int, minutes_ago: int, subject: str = "acme", actor: str = "ada") -> AuditEntry:
    return AuditEntry(
        subject, START - minutes_ago * MINUTE, actor, f"credit.n{number}", {"n": str(number)}
    )


# Entries of one moment stand on both sides of every page of two.
ENTRIES = [
    entry(0, 0), entry(1, 0), entry(2, 0, "bob"), entry(3, 0), entry(4, 0), entry(5, 1),
    entry(6, 2, "bob", "eve"), entry(7, 2), entry(8, 60 * 24 * 60), entry(9, 60 * 24 * 100),
]  # fmt: skip


@pytest.fixture
def read() -> ReadTrail:
    trail = FakeAuditTrail()
    trail.append(ENTRIES)
    return ReadTrail(trail, FakeClock(START))


def numbers(read: ReadTrail, query: TrailQuery) -> list[int]:
    found: list[int] = []
    after: Place | None = None
    while True:
        page = read(replace(query, after=after))
        assert len(page.entries) == query.limit or page.after is None
        found += [int(each.detail["n"]) for each in page.entries]
        after = page.after
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (TrailQuery(), {0, 1, 2, 3, 4, 5, 6, 7, 8}),
        (TrailQuery(subject="bob"), {2, 6}),
        (TrailQuery(actor="eve"), {6}),
        (TrailQuery(action="credit.n"), {0, 1, 2, 3, 4, 5, 6, 7, 8}),
        (TrailQuery(action="plan"), set()),
        (TrailQuery(until=START), {5, 6, 7, 8}),
        (TrailQuery(since=START - 2 * MINUTE, until=START), {5, 6, 7}),
        (TrailQuery(since=START - timedelta(days=365)), set(range(10))),
        (TrailQuery(subject="acme", since=START - timedelta(days=365)), {0, 1, 3, 4, 5, 7, 8, 9}),
    ],
)
def test_every_entry_is_shown_once(
    read: ReadTrail, query: TrailQuery, expected: set[int], limit: int
) -> None:
    found = numbers(read, replace(query, limit=limit))
    assert sorted(found) == sorted(expected)
    moments = [ENTRIES[number].at for number in found]
    assert moments == sorted(moments, reverse=True)


def test_what_was_just_noted_by_a_clock_that_is_ahead_is_shown() -> None:
    trail = FakeAuditTrail()
    trail.append([AuditEntry("acme", START + timedelta(seconds=1), "ada", "credit.n", {"n": "1"})])
    assert numbers(ReadTrail(trail, FakeClock(START)), TrailQuery()) == [1]
