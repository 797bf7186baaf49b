"""Tasks that run one after the other, in order."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from shared.ports import Lock


class FakeTasks:
    """Runs tasks in the order given; locks are never contended."""

    def run_all(self, tasks: Sequence[Callable[[], None]]) -> None:
        failures: list[Exception] = []
        for task in tasks:
            try:
                task()
            except Exception as failure:  # noqa: BLE001 - raised below, after all have ended
                failures.append(failure)
        if failures:
            raise failures[0]

    def lock(self) -> Lock:
        return nullcontext()
