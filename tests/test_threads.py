"""Tasks in threads: places for few of them, and nobody waits for one for long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from shared.threads import ThreadTasks

LONG = 20.0


def test_so_many_have_a_place_at_a_time() -> None:
    tasks = ThreadTasks(1, places=2, patience=LONG)
    together = threading.Barrier(2, timeout=LONG)
    lock = threading.Lock()
    now = most = 0

    def work(_: int) -> None:
        nonlocal now, most
        with tasks.place():
            with lock:
                now += 1
                most = max(most, now)
            together.wait()
            with lock:
                now -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert most == 2


def test_whoever_finds_no_place_goes_on_without() -> None:
    """And gives none back: afterwards there is still one, not two."""
    tasks = ThreadTasks(1, places=1, patience=0.01)
    with tasks.place():
        with tasks.place():
            pass
        with tasks.place():
            pass
    patient = ThreadTasks(1, places=1, patience=LONG)
    with patient.place():
        waits = threading.Thread(target=lambda: patient.place().__enter__())
        waits.start()
        waits.join(0.05)
        assert waits.is_alive()
    waits.join(LONG)
    assert not waits.is_alive()


def test_a_task_that_breaks_leaves_its_place() -> None:
    tasks = ThreadTasks(1, places=1, patience=LONG)
    for _ in range(2):
        with suppress(ZeroDivisionError), tasks.place():
            1 / 0  # noqa: B018 - it is to break
    begun = time.monotonic()
    with tasks.place():
        assert time.monotonic() - begun < LONG / 2
