"""One thread of control for everything that runs at once: greenlets, time, processes, locks.

Time stands still while something runs and jumps to the next thing that is due. Nothing depends on
real threads, real time or the order of sets, so a seed always gives the same history.
"""

import heapq
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType

from greenlet import getcurrent, greenlet

from shared.ports import Lock, Signal

type Action = Callable[[], object]


class Killed(BaseException):
    """The process is gone: nothing of it may go on, not even its clean-up."""


class Hub:
    """The storage service's true time, and everything that is due at some time."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._due: list[tuple[datetime, int, Action]] = []
        self._number = 0
        self._self = getcurrent()

    def at(self, when: datetime, action: Action) -> None:
        """Do ``action`` at ``when``, which may be now; equal times go in order of asking."""
        self._number += 1
        heapq.heappush(self._due, (max(when, self.now), self._number, action))

    def after(self, seconds: float, action: Action) -> None:
        """Do ``action`` in so many seconds."""
        self.at(self.now + timedelta(seconds=seconds), action)

    def run_until(self, end: datetime) -> None:
        """Let everything happen that is due before ``end``, then make it ``end``."""
        self._self = getcurrent()
        while self._due and self._due[0][0] < end:
            self.now, _, action = heapq.heappop(self._due)
            action()
        self.now = max(self.now, end)

    def pause(self, seconds: float) -> None:
        """Let others run for so many seconds; called by an operation."""
        me = getcurrent()
        self.after(seconds, lambda: None if me.dead else me.switch())
        self._self.switch()

    def wait(self) -> None:
        """Let others run until somebody switches back to this operation."""
        self._self.switch()

    def start(self, work: Action) -> greenlet:
        """Begin ``work`` at once, beside whatever else is under way."""
        new = greenlet(work, parent=self._self)
        self.at(self.now, lambda: None if new.dead else new.switch())
        return new


class ProcessClock:
    """A machine's clock, off by up to some minutes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.off = timedelta()

    def now(self) -> datetime:
        """The machine's idea of the present."""
        return self._hub.now + self.off


@dataclass(slots=True, eq=False)
class Instance:
    """A process of the app from its boot to its end."""

    hub: Hub
    name: str
    clock: ProcessClock
    alive: bool = True
    reachable: bool = True
    """Whether its calls get anywhere; false too once it is dead."""

    greenlets: set[greenlet] = field(default_factory=set)

    def start(self, work: Action) -> None:
        """Run ``work`` in this process."""
        holder: list[greenlet] = []

        def body() -> None:
            try:
                if self.alive:
                    work()
            except Killed:
                return
            finally:
                self.greenlets.discard(holder[0])

        holder.append(self.hub.start(body))
        self.greenlets.add(holder[0])

    def kill(self) -> None:
        """End the process: what runs ends where it stands. Safe to call from inside it."""
        self.alive = self.reachable = False
        self.hub.at(self.hub.now, self._bury)

    def cut_off(self, seconds: float) -> None:
        """Let no call of the process get through for a while."""
        self.reachable = False
        self.hub.after(seconds, self._back)

    def _back(self) -> None:
        self.reachable = self.alive

    def _bury(self) -> None:
        for each in list(self.greenlets):
            if each:  # What has not begun yet never will: each of its steps asks first.
                each.throw(Killed)
        self.greenlets.clear()

    def expect_alive(self) -> None:
        """Raise ``Killed`` once the process is dead."""
        if not self.alive:
            raise Killed


class SimLock:
    """A lock between operations of one process, first come, first served."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._held = False
        self._waiting: deque[greenlet] = deque()

    def __enter__(self) -> None:
        if not self._held:
            self._held = True
            return
        self._waiting.append(getcurrent())
        self._instance.hub.wait()
        self._instance.expect_alive()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._waiting:
            self._held = False
            return
        heir, hub = self._waiting.popleft(), self._instance.hub
        hub.at(hub.now, lambda: None if heir.dead else heir.switch())


class SimSignal:
    """Something that one operation of a process waits for."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._happened = False
        self._waiting: greenlet | None = None

    def set(self) -> None:
        """See the port."""
        self._happened = True
        waiting, hub = self._waiting, self._instance.hub
        if waiting is not None:
            hub.at(hub.now, lambda: None if waiting.dead else waiting.switch())

    def wait(self) -> None:
        """See the port."""
        if not self._happened:
            self._waiting = getcurrent()
            self._instance.hub.wait()
            self._instance.expect_alive()


class SimTasks:
    """Several tasks of one process side by side, each in a greenlet."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def start(self, task: Callable[[], None]) -> None:
        """See the port."""
        self._instance.start(task)

    def signal(self) -> Signal:
        """See the port."""
        return SimSignal(self._instance)

    def lock(self) -> Lock:
        """See the port."""
        return SimLock(self._instance)

    def place(self) -> Lock:
        """See the port: there is always one."""
        return nullcontext()
