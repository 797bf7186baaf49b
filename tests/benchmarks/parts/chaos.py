"""What goes wrong in a soak: killed hosts, a failing Marketplace, storage that loses answers."""

import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import requests

from local.clients import TIMEOUT_SECONDS, Simulator
from local.processes import ProcessFailed
from tests.benchmarks.parts.arena import Host
from tests.benchmarks.parts.relay import Fate
from tests.benchmarks.parts.writers import Truth

type Fault = Mapping[str, object]

METERING_FAULTS: Sequence[Fault] = (
    {"kind": "throttle", "seconds": 1},
    {"kind": "serverError", "status": 503},
    {"kind": "serverError", "status": 500, "applied": True},
    {"kind": "timeoutBefore", "seconds": 1},
    {"kind": "timeoutAfter", "seconds": 1},
    {"kind": "dropBefore"},
    {"kind": "dropAfter"},
    {"kind": "delayed", "seconds": 600},
    {"kind": "delayed", "seconds": 5_000},
    {"kind": "partialBatch", "items": 1, "applied": True},
    {"kind": "partialBatch", "items": 2, "applied": False},
    {"kind": "itemError", "items": 1, "applied": True},
    {"kind": "itemError", "items": 2, "applied": False},
    {"kind": "unauthorized"},
    {"kind": "forbidden"},
)
OTHER_FAULTS: Sequence[Fault] = (
    {"kind": "serverError", "target": "entra"},
    {"kind": "dropBefore", "target": "entra"},
    {"kind": "serverError", "target": "fulfillment"},
    {"kind": "dropAfter", "target": "fulfillment"},
)
STRUCK = 0.5
"""The share of calls that a fault strikes while it is in force, which is half the time."""

OUTAGE: Fault = {"kind": "serverError", "target": "metering", "status": 503, "count": None}


class FailingStorage:
    """Decides what becomes of requests to storage; reads are only ever lost."""

    def __init__(self, seed: int, share: float) -> None:
        self._random = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self.active = False

    def __call__(self, method: str, _path: str) -> Fate:
        """The fate of one request."""
        with self._lock:
            if not self.active or self._random.random() >= self._share:
                return Fate.PASS
            if method == "GET":
                return Fate.LOST
            return self._random.choice((Fate.LOST, Fate.UNANSWERED, Fate.LATE))


@dataclass(frozen=True, slots=True)
class Killer:
    """Kills hosts at random moments and starts them again."""

    hosts: Sequence[Host]
    truth: Truth
    random: random.Random
    stopped: threading.Event
    pause: tuple[float, float]

    def run(self) -> None:
        """Kill until stopped; in the end every host runs."""
        while not self.stopped.wait(self.random.uniform(*self.pause)):
            chosen = self.random.sample(self.hosts, self.random.choice((1, 1, 1, len(self.hosts))))
            for host in chosen:
                host.kill()
                self.truth.count("kills")
            self.stopped.wait(self.random.uniform(0, 1.5))
            for host in chosen:
                try:
                    host.start()
                except ProcessFailed as error:
                    self.truth.fault(str(error))


@dataclass(frozen=True, slots=True)
class FailingMarketplace:
    """Has one fault after the other in force, each of which strikes a share of the calls."""

    simulator: Simulator
    random: random.Random
    stopped: threading.Event

    def run(self) -> None:
        """Make trouble until stopped; then there is none left."""
        while not self.stopped.wait(self.random.uniform(0.3, 1.5)):
            chosen = METERING_FAULTS if self.random.random() < 0.9 else OTHER_FAULTS
            fault = {"target": "metering", "count": None, "probability": STRUCK}
            added = self.simulator.post("/faults", {**fault, **self.random.choice(chosen)})
            self.stopped.wait(self.random.uniform(0.3, 1.5))
            self._withdraw(added["id"])
        self.calm()

    def begin_outage(self) -> None:
        """From now on no call of the metering API succeeds."""
        self.simulator.post("/faults", OUTAGE)

    def calm(self) -> None:
        """No fault is in force any more."""
        for fault in self.simulator.get("/faults"):
            self._withdraw(fault["id"])

    def _withdraw(self, fault: int) -> None:
        url = f"{self.simulator.url}/control/faults/{fault}"
        answer = requests.delete(url, timeout=TIMEOUT_SECONDS)
        if answer.status_code != 404:  # An end of all faults may have come first.
            answer.raise_for_status()

    def struck(self) -> Counter[str]:
        """The faults that have struck, by part and kind."""
        entries = {entry["number"]: entry for entry in self.simulator.get("/requests")}
        return Counter(
            f"{entry['target']} {entry['fault']}" for entry in entries.values() if entry["fault"]
        )
