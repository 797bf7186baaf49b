"""Load on the product's HTTP endpoint from concurrent clients, and what it costs in processor."""

import itertools
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3

from local.play import METER

TIMEOUT_SECONDS = 60.0
CONNECTIONS = 64
_TICKS = os.sysconf("SC_CLK_TCK")


class UnexpectedAnswer(Exception):
    """A request was answered otherwise than with all its events stored."""


class Events:
    """An endless supply of new events of some accounts, a day's all of one hour.

    The emulator takes longer for a row the more rows a table has, so whoever is to be compared
    writes to a table of its own: the days before ``today`` give the product one for each round.
    """

    def __init__(self, accounts: Sequence[str], today: datetime) -> None:
        self.accounts = accounts
        self._in_turn = itertools.cycle(accounts)
        self._day = today.astimezone(UTC).replace(hour=10, minute=30)
        self._numbers = itertools.count(1)

    def next_day(self) -> None:
        """The events to come are a day older than those before."""
        self._day -= timedelta(days=1)

    def take(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` events."""
        time_of_day = self._day.isoformat()
        return [
            {
                "id": f"request-{number}",
                "account": account,
                "meter": METER,
                "time": time_of_day,
                "data": {"contextTokens": 900 + number % 700, "generatedTokens": number % 400},
            }
            for number, account in zip(
                itertools.islice(self._numbers, count), self._in_turn, strict=False
            )
        ]

    def bodies(self, events: int, size: int) -> list[bytes]:
        """Requests of ``size`` events each, ``events`` of them together."""
        return [json.dumps(self.take(size)).encode() for _ in range(events // size)]


class Endpoint:
    """``POST /api/usage`` with an API key, over connections that are kept."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.reconnect()

    def reconnect(self) -> None:
        """Use new connections: a server may close idle ones just when they are used again."""
        self._pool = urllib3.connection_from_url(
            self._url,
            maxsize=CONNECTIONS,
            headers=self._headers,
            timeout=TIMEOUT_SECONDS,
            retries=False,
        )

    def post(self, body: bytes) -> None:
        """Send one request. Raises ``UnexpectedAnswer`` unless every event was accepted."""
        self._post(body, b'"duplicate": 0, "parked": 0, "invalid": 0')

    def post_again(self, body: bytes) -> None:
        """Send what is stored. Raises ``UnexpectedAnswer`` unless all of it was."""
        self._post(body, b'{"accepted": 0, "duplicate": ')

    def _post(self, body: bytes, expected: bytes) -> None:
        answer = self._pool.urlopen("POST", "/api/usage", body=body)
        text = answer.data
        if answer.status != 202 or expected not in text[:100]:
            raise UnexpectedAnswer(f"status {answer.status}: {text[:300]!r}")


def drain[T](work: Sequence[T], do: Callable[[T], None], threads: int) -> float:
    """Seconds in which ``threads`` have done all of ``work``."""
    waiting: Iterator[T] = iter(work)
    lock = threading.Lock()

    def some() -> None:
        while True:
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            do(item)

    with ThreadPoolExecutor(threads) as pool:
        begun = time.perf_counter()
        for ended in [pool.submit(some) for _ in range(threads)]:
            ended.result()
        return time.perf_counter() - begun


def paced[T](
    work: Sequence[T], do: Callable[[T], None], a_second: float, threads: int
) -> list[float]:
    """Seconds from when each item was due to when it was done; ``a_second`` fall due.

    An item that has to wait for a free thread is late, and that counts.
    """
    taken: list[float] = []
    begun = time.perf_counter() + 0.05

    def one(item: T, due: float) -> None:
        do(item)
        taken.append(time.perf_counter() - due)

    with ThreadPoolExecutor(threads) as pool:
        ends = []
        for number, item in enumerate(work):
            due = begun + number / a_second
            time.sleep(max(0.0, due - time.perf_counter()))
            ends.append(pool.submit(one, item, due))
        for ended in ends:
            ended.result()
    return taken


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that is at least as great as ``share`` of all."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time used by named processes, from one reading to the next."""

    pids: Mapping[str, int]

    def read(self) -> dict[str, float]:
        """Seconds used so far, by name."""
        return {name: _seconds(pid) for name, pid in self.pids.items()}


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
