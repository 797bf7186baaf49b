"""Product backends that report usage at least once: every event until it is acknowledged."""

import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import urllib3
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.exceptions import ServiceBusError

from local.due import Used
from local.play import METER

REQUEST_SECONDS = 20.0
AGAIN = 0.15
"""The share of acknowledged requests and messages that are sent once more all the same."""

LATENESS = (
    (0.7, timedelta(minutes=30)),
    (0.9, timedelta(hours=20)),
    (1.0, timedelta(days=6)),
)
"""How late events arrive at most, by share of batches up to here."""

type Event = dict[str, Any]


@dataclass(slots=True)
class Truth:
    """What was acknowledged, by account, and what it took; written by several threads."""

    accounts: Sequence[str]
    since: datetime
    used: dict[str, list[Used]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1) -> None:
        """Note that something happened."""
        with self.lock:
            self.counts[what] += number

    def fault(self, text: str) -> None:
        """Note what should not have happened."""
        with self.lock:
            self.faults.append(text)

    def acknowledge(self, events: Sequence[Event], way: str) -> None:
        """From now on these events must be billed, once."""
        with self.lock:
            self.counts[f"events by {way}"] += len(events)
            for event in events:
                data = {name: Decimal(str(value)) for name, value in event["data"].items()}
                row = Used(datetime.fromisoformat(event["time"]), data)
                self.used.setdefault(event["account"], []).append(row)


class Source:
    """Makes events, each with an id of its own, some of them late."""

    def __init__(self, truth: Truth, now: Callable[[], datetime], name: str, seed: int) -> None:
        self._truth = truth
        self._now = now
        self._name = name
        self._numbers = itertools.count(1)
        self.random = random.Random(seed)

    def batch(self, most: int) -> list[Event]:
        """One to ``most`` events of a few accounts."""
        drawn = self.random.random()
        late = next(late for share, late in LATENESS if drawn < share)
        accounts = self.random.sample(self._truth.accounts, min(3, len(self._truth.accounts)))
        return [
            self._event(self.random.choice(accounts), late)
            for _ in range(self.random.randint(1, most))
        ]

    def _event(self, account: str, late: timedelta) -> Event:
        now = self._now()
        earliest = max(self._truth.since, now - late)
        moment = earliest + (now - earliest) * self.random.random()
        return {
            "id": f"{self._name}-{next(self._numbers)}",
            "account": account,
            "meter": METER,
            "time": moment.isoformat(),
            "data": {
                "contextTokens": self.random.randrange(6_000) / 2,
                "generatedTokens": self.random.randrange(600),
            },
        }


@dataclass(frozen=True, slots=True)
class HttpWriter:
    """Posts batches to any of the hosts, the same one again after every failure."""

    truth: Truth
    source: Source
    urls: Sequence[str]
    key: str
    stopped: threading.Event
    deadline: Callable[[], float]

    def run(self) -> None:
        """Write until stopped, and on until the last batch is acknowledged."""
        with urllib3.PoolManager(retries=False, timeout=REQUEST_SECONDS) as pool:
            while not self.stopped.is_set():
                events = self.source.batch(40)
                if not self._deliver(pool, events):
                    return
                if self.source.random.random() < AGAIN:
                    self.truth.count("events sent again", len(events))
                    self._post(pool, json.dumps(events).encode())
                self.stopped.wait(self.source.random.uniform(0.02, 0.25))

    def _deliver(self, pool: urllib3.PoolManager, events: Sequence[Event]) -> bool:
        body = json.dumps(events).encode()
        while (answer := self._post(pool, body)) is None:
            self.truth.count("requests repeated")
            if time.monotonic() > self.deadline():
                self.truth.fault(f"never acknowledged: {events[0]['id']} and what came with it")
                return False
            time.sleep(self.source.random.uniform(0.05, 0.4))
        outcomes = [result["outcome"] for result in answer.get("results", ())]
        if len(outcomes) != len(events):
            self.truth.fault(f"no outcome for every event: {json.dumps(answer)[:500]}")
            return False
        self.truth.count("answered as duplicates", outcomes.count("duplicate"))
        stored = []
        for event, result in zip(events, answer["results"], strict=True):
            if result["outcome"] in ("accepted", "duplicate"):
                stored.append(event)
            else:
                self.truth.fault(f"not stored: {json.dumps(event)}: {json.dumps(result)}")
        self.truth.acknowledge(stored, "HTTP")
        return True

    def _post(self, pool: urllib3.PoolManager, body: bytes) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON, or ``None`` where there was none that settles anything."""
        url = self.source.random.choice(self.urls)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        self.truth.count("requests")
        try:
            answer = pool.request("POST", f"{url}/api/usage", body=body, headers=headers)
        except urllib3.exceptions.HTTPError:
            return None
        if answer.status in (202, 400):
            return json.loads(answer.data)
        if answer.status < 500 and answer.status != 429:
            self.truth.fault(f"status {answer.status}: {answer.data[:300]!r}")
        return None


@dataclass(frozen=True, slots=True)
class QueueWriter:
    """Sends messages of several events to the queue; some of them twice."""

    truth: Truth
    source: Source
    connection: str
    stopped: threading.Event

    def run(self) -> None:
        """Write until stopped."""
        with (
            ServiceBusClient.from_connection_string(self.connection) as client,
            client.get_queue_sender("usage") as sender,
        ):
            while not self.stopped.is_set():
                events = self.source.batch(20)
                text = json.dumps(events)
                twice = self.source.random.random() < AGAIN
                try:
                    for _ in range(1 + twice):
                        message = ServiceBusMessage(text, content_type="application/json")
                        sender.send_messages(message)
                        self.truth.count("messages")
                except ServiceBusError as error:
                    self.truth.fault(f"the queue took no message: {error}")
                    return
                self.truth.count("events sent again", len(events) * twice)
                self.truth.acknowledge(events, "Service Bus")
                self.stopped.wait(self.source.random.uniform(0.05, 0.5))
