"""Doing several things at once with a pool of threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shared.ports import Lock, Signal


class ThreadTasks:
    """Fulfils ``Tasks`` with at most ``threads`` tasks at a time beside their callers."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="task")

    def start(self, task: Callable[[], None]) -> None:
        self._pool.submit(task)

    def signal(self) -> Signal:
        return threading.Event()

    def lock(self) -> Lock:
        return threading.Lock()
