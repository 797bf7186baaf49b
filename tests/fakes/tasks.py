"""Tasks that run one after the other, in order, once somebody waits for them."""

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext

from shared.ports import Lock, Signal


class FakeTasks:
    """Runs tasks in the order in which they were started; locks are never contended."""

    def __init__(self) -> None:
        self.started: deque[Callable[[], None]] = deque()

    def start(self, task: Callable[[], None]) -> None:
        self.started.append(task)

    def signal(self) -> Signal:
        return FakeSignal(self)

    def lock(self) -> Lock:
        return nullcontext()

    def place(self) -> Lock:
        return nullcontext()


class FakeSignal:
    """Waiting for it is the time in which the tasks run."""

    def __init__(self, tasks: FakeTasks) -> None:
        self._tasks = tasks
        self._happened = False

    def set(self) -> None:
        self._happened = True

    def wait(self) -> None:
        while not self._happened:
            assert self._tasks.started, "nothing is left that could end this wait"
            self._tasks.started.popleft()()
