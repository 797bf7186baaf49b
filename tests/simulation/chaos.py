"""What goes wrong: a seeded choice before and after every call of a port.

A call passes undisturbed until a countdown ends; then the kinds of disturbance that make sense for
it are drawn by the history's own weights, so that some histories are rich in one kind and poor in
another.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import cast

from shared.domain.errors import MeteringError, Throttled, Unavailable
from shared.domain.metering.submission import Unknown
from tests.simulation.scheduler import Hub, Instance, Killed
from tests.simulation.telling import brief

MINUTE = 60.0
HOUR = 60 * MINUTE

HASTY = frozenset({"log.append", "log.put_hint"})
"""Calls that must arrive within the hour of the clock reading before them: a pause before or after
the hint, one before the append, a delay of it and the clocks' difference make 55 minutes."""

HASTY_PAUSE = 10 * MINUTE
HASTY_DELAY = 20 * MINUTE
PAUSE = 40 * MINUTE
CUT_OFF = 0.3
"""How often a lost call means that the process is cut off from everything for up to 10 minutes, so
that it cannot simply try again."""

DELAY = 3 * HOUR

WRITES = frozenset(
    {
        "log.append",
        "log.put_hint",
        "days.write",
        "ledger.write",
        "runs.complete",
        "accounts.create",
        "accounts.save",
        "accounts.put_record",
        "accounts.link",
        "parking.park",
        "parking.drop",
        "refusals.keep",
        "messages.publish",
        "findings.note",
        "findings.drop",
        "log.make_day",
        "log.drop_day",
    }
)

OWN_FAULTS = frozenset({"marketplace"})
"""Ports whose fakes lose and delay requests themselves; here they are only paused and crashed."""

PIECEWISE = frozenset(
    {"days.write", "parking.park", "parking.drop", "messages.publish", "findings.note"}
)
"""Writes of several transactions: some of their rows may be stored and the others not."""

KINDS = (
    "pause before",
    "pause after",
    "crash before",
    "crash after",
    "lost request",
    "lost answer",
    "delayed request",
    "throttled",
    "torn",
)


@dataclass(slots=True)
class Chaos:
    """The scheduler's dice. ``rate`` is the chance that a call is disturbed."""

    hub: Hub
    rng: Random
    rate: float
    weights: dict[str, float]
    counts: Counter[str] = field(default_factory=Counter)
    trace: deque[str] | None = None
    journal: list[str] | None = None
    """Names of all calls, while somebody wants to know."""

    crashed: Callable[[Instance], object] = lambda _: None
    countdown: int = 1

    def __post_init__(self) -> None:
        self.wind_up()

    def wind_up(self) -> None:
        """Draw how many calls pass before the next disturbance."""
        self.countdown = int(self.rng.expovariate(self.rate)) + 1 if self.rate > 0 else 1 << 60

    def calm(self) -> None:
        """No disturbance any more."""
        self.rate = 0.0
        self.wind_up()

    def undisturbed(
        self,
        instance: Instance,
        name: str,
        inner: Callable[..., object],
        arguments: Sequence[object],
    ) -> object:
        """Make a call and tell of it."""
        if self.journal is not None:
            self.journal.append(name)
        result = inner(*arguments)
        if self.trace is not None:
            self.note(f"{instance.name} {name} {brief(list(arguments))} -> {brief(result)}")
        return result

    def cut_off(self, name: str, arguments: Sequence[object]) -> object:
        """The answer to a call that does not get through."""
        self.note(f"{name}: cut off")
        if name == "marketplace.send":
            return [Unknown("cut off") for _ in cast("Sequence[object]", arguments[0])]
        raise Unavailable(f"{name} got no answer")

    def note(self, text: str) -> None:
        """A line for the reader of a failing history."""
        if self.trace is not None:
            self.trace.append(f"{self.hub.now:%d %H:%M:%S.%f} {text}")

    def disturb(
        self,
        instance: Instance,
        name: str,
        inner: Callable[..., object],
        arguments: Sequence[object],
    ) -> object:
        """Make a call of ``name``, with one disturbance around it."""
        self.wind_up()
        port = name.partition(".")[0]
        write = name in WRITES
        kinds = list(KINDS[:4])
        if port not in OWN_FAULTS:
            kinds += ["lost request", "throttled"]
            if write:
                kinds += ["lost answer", "delayed request"]
            if name in PIECEWISE or name == "log.partials":
                kinds.append("torn")
        kind = self.rng.choices(kinds, [self.weights[k] for k in kinds])[0]
        self.counts[kind] += 1
        if self.trace is not None:
            self.note(f"{instance.name} {name} {brief(list(arguments))}: {kind.upper()}")
        return _Call(self, instance, name, inner, arguments).suffer(kind)


@dataclass(slots=True)
class _Call:
    chaos: Chaos
    instance: Instance
    name: str
    inner: Callable[..., object]
    arguments: Sequence[object]

    def suffer(self, kind: str) -> object:
        """Make the call with a disturbance of that kind."""
        match kind:
            case "pause before":
                self.pause()
                return self.make()
            case "pause after":
                result = self.make()
                self.pause()
                return result
            case "crash before":
                raise self.crash()
            case "crash after":
                self.unheard()
                raise self.crash()
            case "torn":
                return self.torn()
            case "throttled":
                raise Throttled(f"{self.name} was throttled")
            case "lost answer":
                self.unheard()
            case "delayed request":
                self.chaos.hub.after(self.delay(), self.unheard)
            case _:
                pass
        if self.chaos.rng.random() < CUT_OFF:
            self.instance.cut_off(self.chaos.rng.random() ** 2 * 600)
        raise Unavailable(f"{self.name} got no answer")

    def make(self) -> object:
        return self.inner(*self.arguments)

    def unheard(self) -> None:
        """The effect without an answer."""
        try:
            self.inner(*self.arguments)
        except MeteringError as exc:
            self.chaos.note(f"{self.name} unheard: {exc}")

    def delay(self) -> float:
        """How late the request arrives: mostly soon, unless lateness is what may do harm."""
        draw = self.chaos.rng.random()
        return draw * HASTY_DELAY if self.name in HASTY else draw**3 * DELAY

    def pause(self) -> None:
        rng = self.chaos.rng
        limit = HASTY_PAUSE if self.name in HASTY else PAUSE
        draw = rng.random()
        wait = self.until_runs_have_read()
        if self.name in HASTY and wait < limit and draw < 0.6:
            seconds = wait
        elif draw < 0.4:
            seconds = rng.random()
        elif draw < 0.7:
            seconds = rng.random() * 30
        else:
            seconds = rng.random() * limit
        self.instance.hub.pause(seconds)
        self.instance.expect_alive()

    def until_runs_have_read(self) -> float:
        """Seconds until some minutes after the timer: the worst time for usage to be stored."""
        now = self.chaos.hub.now
        late = self.chaos.rng.uniform(5.5, 8.5)
        return (late - now.minute) % 60 * MINUTE - now.second

    def crash(self) -> Killed:
        self.instance.kill()
        self.chaos.crashed(self.instance)
        return Killed()

    def torn(self) -> object:
        """A scan read at two times, or some rows of a write."""
        if self.name == "log.partials":
            before = cast("dict[object, list[object]]", self.make())
            self.pause()
            after = cast("dict[object, list[object]]", self.make())
            cut = self.chaos.rng.randrange(len(after) + 1)
            late = list(after.items())[cut:]
            return {**before, **dict(late)}
        *first, rows = self.arguments
        several = cast("Sequence[object]", rows)
        if len(several) > 1:
            self.arguments = (*first, several[: self.chaos.rng.randrange(1, len(several))])
            self.unheard()
        raise Unavailable(f"{self.name} got no answer")


class Wire:
    """A port as one process sees it: every call may be disturbed."""

    def __init__(self, port: object, name: str, instance: Instance, chaos: Chaos) -> None:
        self._port = port
        self._name = name
        self._instance = instance
        self._chaos = chaos

    def __getattr__(self, method: str) -> Callable[..., object]:
        inner = getattr(self._port, method)
        name = f"{self._name}.{method}"
        instance, chaos = self._instance, self._chaos

        def call(*arguments: object) -> object:
            if not instance.reachable:
                instance.expect_alive()
                chaos.counts["cut off"] += 1
                return chaos.cut_off(name, arguments)
            chaos.countdown -= 1
            if chaos.countdown > 0:
                if chaos.trace is None and chaos.journal is None:
                    return inner(*arguments)
                return chaos.undisturbed(instance, name, inner, arguments)
            return chaos.disturb(instance, name, inner, arguments)

        self.__dict__[method] = call
        return call


def wire[P](port: P, name: str, instance: Instance, chaos: Chaos) -> P:
    """``port`` over a bad line."""
    return cast("P", Wire(port, name, instance, chaos))
