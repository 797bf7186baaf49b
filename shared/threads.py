"""Doing several things at once with a pool of threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.ports import Lock


class ThreadTasks:
    """Fulfils ``Tasks``. One of the tasks runs in the caller's own thread."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="task")

    def run_all(self, tasks: Sequence[Callable[[], None]]) -> None:
        if not tasks:
            return
        others = [self._pool.submit(task) for task in tasks[1:]]
        try:
            tasks[0]()
        finally:
            failures = [future.exception() for future in others]
        for failure in failures:
            if failure is not None:
                raise failure

    def lock(self) -> Lock:
        return threading.Lock()
