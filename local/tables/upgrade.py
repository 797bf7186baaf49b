"""Brings stored tables to the format that the code writes: numbered steps, each noted when done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.tables.service import TableService

TABLE = "Format"
"""Not a table of the app: it holds one row with the number of the last step that was done."""


@dataclass(frozen=True)
class Step:
    """One change of the stored format.

    The code that is deployed with it reads both formats, so the app stays up; ``apply`` rewrites
    what is left of the former one, may be repeated, and returns how many entities it wrote.
    """

    name: str
    apply: Callable[[TableService], int]


STEPS: tuple[Step, ...] = ()
"""In order, never changed or removed: the number of a step is its place, from 1 on."""


def upgrade(service: TableService, steps: Sequence[Step] = STEPS) -> list[str]:
    """Do the steps that were not done yet; returns what was done."""
    names = service.tables()
    done = _noted(service) if TABLE in names else None
    if done is None:
        # Without any table there is nothing in a former format.
        done = 0 if set(names) - {TABLE} else len(steps)
        _note(service, done)
    told: list[str] = []
    for number, step in enumerate(steps[done:], done + 1):
        written = step.apply(service)
        _note(service, number)
        told.append(f"{number} {step.name}: {written} entities")
    return told


def _noted(service: TableService) -> int | None:
    found = [row["Number"] for row in service.entities(TABLE)]
    return int(found[0]) if found else None


def _note(service: TableService, number: int) -> None:
    service.create(TABLE)
    service.put(TABLE, [{"PartitionKey": "format", "RowKey": "tables", "Number": number}])
