"""Jobs that aggregate again, in memory."""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import Shard
from shared.ports import Etag, ReaggregationJob, ReaggregationPart, Versioned
from tests.fakes.versions import Versions


class FakeReaggregations:
    """Fulfils ``Reaggregations``."""

    def __init__(self) -> None:
        self._jobs: dict[str, ReaggregationJob] = {}
        self._parts: dict[tuple[str, Shard], Versioned[ReaggregationPart]] = {}
        self._versions = Versions()

    def add(self, job: ReaggregationJob, parts: Sequence[ReaggregationPart]) -> None:
        if job.id in self._jobs:
            raise ConcurrentUpdate(f"there is a job {job.id} already")
        self._jobs[job.id] = job
        for part in parts:
            self._parts[job.id, part.shard] = Versioned(part, self._versions.new())

    def get(self, id_: str) -> ReaggregationJob | None:
        return self._jobs.get(id_)

    def since(self, moment: datetime) -> list[ReaggregationJob]:
        found = [job for job in self._jobs.values() if job.started >= moment]
        return sorted(found, key=lambda job: job.started)

    def parts(self, id_: str) -> list[Versioned[ReaggregationPart]]:
        return [part for (job, _), part in sorted(self._parts.items()) if job == id_]

    def note(self, part: ReaggregationPart, etag: Etag) -> Etag:
        if self._parts[part.job, part.shard].etag != etag:
            raise ConcurrentUpdate(f"shard {part.shard} of job {part.job} is carried on")
        new = self._versions.new()
        self._parts[part.job, part.shard] = Versioned(part, new)
        return new
