"""Plays one history from its seed."""

import time
import traceback
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.simulation.closing import check_stores, close
from tests.simulation.history import History
from tests.simulation.people import People
from tests.simulation.process import Kit
from tests.simulation.watch import Violation

HOUR = timedelta(hours=1)
TAIL = 250
"""Lines of a failing history that are shown."""


@dataclass(slots=True)
class Outcome:
    """What a history was and did; ``violation`` is ``None`` when all was well."""

    seed: int
    account_hours: int = 0
    active_account_hours: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """Processor time it took to play."""

    violation: str | None = None
    trace: tuple[str, ...] = ()


def play(
    seed: int, kit: Kit | None = None, *, trace: int = 0, focus: Mapping[str, Any] | None = None
) -> Outcome:
    """Play the history of ``seed``; ``trace`` is how many last lines of it to keep, ``focus``
    replaces parts of its plot."""
    began = time.process_time()
    lines: deque[str] | None = deque(maxlen=trace) if trace else None
    world = History(seed, kit, lines, focus)
    people = People(world)
    outcome = Outcome(seed)
    try:
        for hour in range(1, world.plot.hours + 1):
            people.hour()
            world.hub.run_until(world.plot.start + hour * HOUR)
            if hour % 48 == 0:
                check_stores(world)
        outcome.account_hours = people.account_hours
        close(people)
    except Violation as exc:
        outcome.violation = str(exc)
    except Exception as exc:  # noqa: BLE001 - whatever a service lets out is a violation too
        outcome.violation = f"an unexpected {type(exc).__name__}: {exc}"
        (lines if lines is not None else deque()).extend(traceback.format_exception(exc))
    outcome.active_account_hours = len(world.watch.active)
    outcome.seconds = time.process_time() - began
    outcome.counts = world.counts
    outcome.trace = tuple(lines or ())
    return outcome
