"""What every store of jobs that aggregate again keeps to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.ports import ReaggregationJob, ReaggregationPart, Reaggregations
from shared.storage.reaggregations import TableReaggregations
from tests.contract.samples import NOON
from tests.fakes.reaggregations import FakeReaggregations


@pytest.fixture(params=["fake", "azurite"])
def jobs(request: pytest.FixtureRequest) -> Reaggregations:
    if request.param == "fake":
        return FakeReaggregations()
    return TableReaggregations(request.getfixturevalue("tables"))


def job(minutes: int = 0, *accounts: str) -> ReaggregationJob:
    at = NOON + timedelta(minutes=minutes)
    codes = tuple(AccountCode(code) for code in accounts) or None
    return ReaggregationJob(f"{at:%Y%m%dT%H%M%S%fZ}", at, "ada", at.date(), at.date(), codes)


def parts(of: ReaggregationJob, *shards: int) -> list[ReaggregationPart]:
    return [ReaggregationPart(of.id, Shard(shard), of.started) for shard in shards]


def test_a_job_is_kept_with_its_parts(jobs: Reaggregations) -> None:
    one, two = job(0), job(1, "a", "b")
    jobs.add(one, parts(one, *range(16)))
    jobs.add(two, parts(two, 11, 3))
    assert jobs.get(one.id) == one
    assert jobs.get(two.id) == two
    assert [part.value for part in jobs.parts(one.id)] == parts(one, *range(16))
    assert [part.value for part in jobs.parts(two.id)] == parts(two, 3, 11)


def test_a_job_is_added_once(jobs: Reaggregations) -> None:
    jobs.add(job(), parts(job(), 1))
    with pytest.raises(ConcurrentUpdate):
        jobs.add(replace(job(), by="eve"), parts(job(), 1))
    assert jobs.get(job().id) == job()


def test_what_is_unknown(jobs: Reaggregations) -> None:
    for id_ in ("x", "", "a|b", "ä/#"):
        assert jobs.get(id_) is None
        assert jobs.parts(id_) == []


def test_jobs_since_a_moment_come_oldest_first(jobs: Reaggregations) -> None:
    all_of_them = [job(minutes) for minutes in (0, 1, 2)]
    for each in reversed(all_of_them):
        jobs.add(each, parts(each, 1, 2))
    assert jobs.since(NOON) == all_of_them
    assert jobs.since(NOON + timedelta(minutes=1)) == all_of_them[1:]
    assert jobs.since(NOON + timedelta(hours=1)) == []


def test_a_part_is_replaced_at_its_version(jobs: Reaggregations) -> None:
    jobs.add(job(), parts(job(), 1, 2))
    one, two = jobs.parts(job().id)
    failed = {AccountCode("acme"): "unavailable: no answer"}
    new = replace(one.value, after="b", done=2, changed=1, days=3, failed=failed, finished=NOON)
    etag = jobs.note(new, one.etag)
    with pytest.raises(ConcurrentUpdate):
        jobs.note(replace(new, done=3), one.etag)
    assert [part.value for part in jobs.parts(job().id)] == [new, two.value]
    jobs.note(replace(new, done=3), etag)
    assert jobs.parts(job().id)[0].value.done == 3
