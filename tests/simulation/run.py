"""Plays one history from its seed."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta

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
    violation: str | None = None
    trace: tuple[str, ...] = ()


def play(seed: int, kit: Kit | None = None, *, trace: int = 0) -> Outcome:
    """Play the history of ``seed``; ``trace`` is how many last lines of it to keep."""
    lines: deque[str] | None = deque(maxlen=trace) if trace else None
    world = History(seed, kit, lines)
    people = People(world)
    outcome = Outcome(seed)
    try:
        for hour in range(1, world.plot.hours + 1):
            people.hour()
            world.hub.run_until(world.plot.start + hour * HOUR)
            if hour % 24 == 0:
                check_stores(world)
        outcome.account_hours = people.account_hours
        close(people)
    except Violation as exc:
        outcome.violation = str(exc)
    outcome.active_account_hours = len(world.watch.active)
    outcome.counts = world.counts
    outcome.trace = tuple(lines or ())
    return outcome
