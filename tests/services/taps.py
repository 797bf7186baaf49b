"""Taps stand before ports: they keep a journal of all calls and let a test step in."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

WRITES = frozenset(
    {
        "log.append",
        "log.put_hint",
        "days.write",
        "ledger.write",
        "runs.complete",
        "accounts.create",
        "accounts.save",
        "accounts.delete",
        "accounts.put_record",
        "accounts.link",
        "catalogs.add",
        "parking.park",
        "parking.drop",
        "refusals.keep",
        "refusals.drop",
        "messages.publish",
        "operations.add",
        "operations.save",
        "audit.append",
        "checkpoints.note",
        "reaggregations.add",
        "reaggregations.note",
    }
)
"""Calls that change what is stored; all others read, or go to the Marketplace."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a port: ``name`` is like ``ledger.write``."""

    name: str
    arguments: tuple[object, ...]


type Step = Callable[[Call], object]
"""What a test does around a call; raising is how it takes the call's effect or answer away."""


@dataclass(slots=True)
class _Waiting:
    name: str
    nth: int
    step: Step
    after: bool


@dataclass(slots=True)
class Journal:
    """All calls of the tapped ports in order, and the steps waiting for one.

    ``always`` is asked before every call: the place for random faults and crashes.
    """

    calls: list[Call] = field(default_factory=list)
    always: Step | None = None
    _waiting: list[_Waiting] = field(default_factory=list)

    def before(self, name: str, step: Step, nth: int = 1) -> None:
        """Run ``step`` before the ``nth`` coming call of ``name``, once."""
        self._waiting.append(_Waiting(name, nth, step, after=False))

    def after(self, name: str, step: Step, nth: int = 1) -> None:
        """Run ``step`` after the ``nth`` coming call of ``name`` took effect, once."""
        self._waiting.append(_Waiting(name, nth, step, after=True))

    def forget(self) -> None:
        """Empty the journal; waiting steps stay."""
        self.calls.clear()

    def forget_steps(self) -> None:
        """Drop the steps that wait for calls that never came."""
        self._waiting.clear()

    def count(self, *names: str) -> int:
        """How many calls of ``names`` there were."""
        return sum(call.name in names for call in self.calls)

    def counts(self) -> Counter[str]:
        """How often each call was made."""
        return Counter(call.name for call in self.calls)

    @property
    def writes(self) -> Counter[str]:
        """How often each changing call was made."""
        return Counter(call.name for call in self.calls if call.name in WRITES)

    @property
    def pending(self) -> int:
        """How many steps still wait for their call: zero once a test has done all it meant to."""
        return len(self._waiting)

    def run[T](self, call: Call, work: Callable[[], T]) -> T:
        """Make a call with everything that was to happen around it."""
        self.calls.append(call)
        due = []
        for waiting in [w for w in self._waiting if w.name == call.name]:
            waiting.nth -= 1
            if not waiting.nth:
                self._waiting.remove(waiting)
                due.append(waiting)
        if self.always is not None:
            self.always(call)
        for waiting in due:
            if not waiting.after:
                waiting.step(call)
        result = work()
        for waiting in due:
            if waiting.after:
                waiting.step(call)
        return result


class _Tap:
    def __init__(self, port: object, name: str, journal: Journal) -> None:
        self._port = port
        self._name = name
        self._journal = journal

    def __getattr__(self, method: str) -> Callable[..., object]:
        inner = getattr(self._port, method)

        def tapped(*arguments: object) -> object:
            call = Call(f"{self._name}.{method}", arguments)
            return self._journal.run(call, lambda: inner(*arguments))

        return tapped


def tap[P](port: P, name: str, journal: Journal) -> P:
    """``port`` with every call going through ``journal``; whole calls only, no attributes."""
    return cast("P", _Tap(port, name, journal))
