"""Posts batches of events until each has an answer: the same ids again after every failure."""

import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from local.clients import Json, Product
from local.replay.events import Event

ATTEMPTS = 10
LONGEST_WAIT = 30.0
MAX_CHARACTERS = 1_000_000
"""Of one body: a request may have 1 MiB, and what is sent is plain ASCII."""
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
SHOWN_FAULTS = 5
OUTCOMES = ("accepted", "duplicate", "parked", "invalid")
FAILED = "not sent"


@dataclass(slots=True)
class Tally:
    """What became of the events so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    _first: dict[str, str] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """Events that have an outcome, good or bad."""
        return self.outcomes.total()

    @property
    def stored(self) -> bool:
        """Whether every event is in the usage log."""
        return self.answered == self.outcomes["accepted"] + self.outcomes["duplicate"] > 0

    @property
    def faults(self) -> list[str]:
        """The first different faults, each with the place where it was met first."""
        shown = []
        for fault, place in list(self._first.items())[:SHOWN_FAULTS]:
            more = self._times[fault] - 1
            shown.append(f"{place}: {fault}" + (f" (and {more:,} more)" if more else ""))
        return shown

    def note(self, place: str, fault: str) -> None:
        """Count a fault, and keep where it was met first."""
        self._first.setdefault(fault, place)
        self._times[fault] += 1


@dataclass(frozen=True, slots=True)
class Sent:
    """The last answer to a batch, or why there was none, and how often it was repeated."""

    batch: Sequence[Event]
    response: requests.Response | None
    reason: str
    retries: int


class Sender:
    """Sends batches over several connections; ``wait`` sleeps between attempts."""

    def __init__(
        self,
        connect: Callable[[], Product],
        workers: int = 4,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connect = connect
        self._workers = workers
        self._wait = wait
        self._own = threading.local()

    def send_all(
        self, batches: Iterable[Sequence[Event]], report: Callable[[Tally], None]
    ) -> Tally:
        """Send every batch, with no more in memory than the workers need."""
        tally = Tally()
        under_way: deque[Future[Sent]] = deque()
        with ThreadPoolExecutor(self._workers) as pool:
            for batch in batches:
                under_way.append(pool.submit(self._send, batch))
                if len(under_way) >= 2 * self._workers:
                    count(under_way.popleft().result(), tally)
                    report(tally)
            while under_way:
                count(under_way.popleft().result(), tally)
                report(tally)
        return tally

    def _send(self, batch: Sequence[Event]) -> Sent:
        body = f"[{','.join(event.text for event in batch)}]".encode()
        response, reason = None, ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._wait(_pause(response, attempt))
            try:
                response = self._product().send("POST", "/api/usage", body)
            except (requests.ConnectionError, requests.Timeout) as error:
                response, reason = None, f"no answer: {type(error).__name__}"
                continue
            if response.status_code not in RETRIED:
                return Sent(batch, response, "", attempt)
            reason = f"status {response.status_code}"
        return Sent(batch, None, f"{reason}, {ATTEMPTS} times", ATTEMPTS - 1)

    def _product(self) -> Product:
        """A connection of this thread."""
        product: Product | None = getattr(self._own, "product", None)
        if product is None:
            product = self._own.product = self._connect()
        return product


def _pause(response: requests.Response | None, attempt: int) -> float:
    """As long as the answer asks for; else doubling, spread so that workers part."""
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isdigit():
        return min(float(asked), LONGEST_WAIT)
    return min(2.0**attempt / 4, LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311 - no secret


def count(sent: Sent, tally: Tally) -> None:
    """Add a batch's outcomes to the tally."""
    tally.retries += sent.retries
    results = _results(sent.response)
    if results is None or len(results) != len(sent.batch):
        tally.outcomes[FAILED] += len(sent.batch)
        tally.note(f"rows {sent.batch[0].row} to {sent.batch[-1].row}", _reason(sent))
        return
    for event, result in zip(sent.batch, results, strict=True):
        outcome = str(result["outcome"])
        tally.outcomes[outcome] += 1
        for error in result.get("errors", ()):
            tally.note(f"row {event.row}", f"{error['pointer']} {error['message']}")
        if outcome == "parked":
            tally.note(f"row {event.row}", "parked, its account or meter is not known yet")


def _results(response: requests.Response | None) -> list[Json] | None:
    if response is None:
        return None
    try:
        results = json.loads(response.text)["results"]
    except (ValueError, KeyError, TypeError):
        return None
    return results if isinstance(results, list) else None


def _reason(sent: Sent) -> str:
    if sent.response is None:
        return sent.reason
    return f"status {sent.response.status_code}: {sent.response.text[:300]}"


def batches(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    """The events in lists of at most ``size``, each small enough for one request."""
    batch: list[Event] = []
    length = 0
    for event in events:
        if batch and (len(batch) >= size or length + len(event.text) > MAX_CHARACTERS):
            yield batch
            batch, length = [], 0
        batch.append(event)
        length += len(event.text) + 1
    if batch:
        yield batch
