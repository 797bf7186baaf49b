"""What is known of the hourly runs, in memory."""

from datetime import datetime

from shared.domain.ids import Shard
from shared.ports import Clock, RunStart


class FakeRuns:
    """``clock`` plays the storage service's own clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._completed: dict[Shard, datetime] = {}

    def begin(self, shard: Shard) -> RunStart:
        return RunStart(self._completed.get(shard), self._clock.now())

    def complete(self, shard: Shard, started: datetime) -> None:
        self._completed[shard] = started
