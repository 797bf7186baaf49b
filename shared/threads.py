"""Doing several things at once with a pool of threads."""

import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

from shared.ports import Lock, Signal

PLACES = 2
PATIENCE = 0.02
"""Seconds that a task waits for a place: about as long as a transaction takes."""


class ThreadTasks:
    """Fulfils ``Tasks`` with at most ``threads`` tasks at a time beside their callers."""

    def __init__(self, threads: int, places: int = PLACES, patience: float = PATIENCE) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="task")
        self._places = threading.Semaphore(places)
        self._patience = patience

    def start(self, task: Callable[[], None]) -> None:
        self._pool.submit(task)

    def signal(self) -> Signal:
        return threading.Event()

    def lock(self) -> Lock:
        return threading.Lock()

    def place(self) -> AbstractContextManager[object]:
        return self._place()

    @contextmanager
    def _place(self) -> Generator[None]:
        found = self._places.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if found:
                self._places.release()
