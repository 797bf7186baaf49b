"""Batches are sent until each event has an answer, the same ids again after every failure."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.clients import Product
from local.replay.events import Event
from local.replay.sender import ATTEMPTS, Sender, Tally, batches

DROP = 0
"""Instead of a status: close the connection without an answer."""


@dataclass
class Backend:
    """Keeps ids as the product does, after failing as often as it is told to."""

    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    outcome_of: Callable[[str], str] = lambda _id: "accepted"
    known: set[str] = field(default_factory=set)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.requests += 1
            failure = self.failures.pop(0) if self.failures else None
            if failure is not None and failure[0] != DROP:
                return (*failure, b"{}")
            results = [self._outcome(event["id"]) for event in json.loads(body)]
            status = DROP if failure is not None else 202
            return status, {}, json.dumps({"results": results}).encode()

    def _outcome(self, name: str) -> dict[str, object]:
        outcome = "duplicate" if name in self.known else self.outcome_of(name)
        self.known.add(name)
        errors = [{"pointer": "/time", "message": "is too old"}] if outcome == "invalid" else []
        return {"id": name, "outcome": outcome, "errors": errors}


@contextmanager
def serving(backend: Backend) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, content = backend.answer(body)
            if status == DROP:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def made(count: int, length: int = 10) -> list[Event]:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Event(n, "acc", moment, {}, json.dumps({"id": f"e{n}", "x": "x" * length}))
        for n in range(1, count + 1)
    ]


def sent(backend: Backend, events: list[Event], size: int = 2) -> tuple[Tally, list[float]]:
    waits: list[float] = []
    with serving(backend) as url:
        sender = Sender(lambda: Product(url, dict), workers=2, wait=waits.append)
        tally = sender.send_all(batches(events, size), lambda _tally: None)
    return tally, waits


def test_every_event_is_sent_once_and_counted() -> None:
    backend = Backend()
    tally, waits = sent(backend, made(7))
    assert tally.outcomes == {"accepted": 7}
    assert tally.stored
    assert (backend.requests, len(backend.known), waits) == (4, 7, [])


def test_a_throttled_batch_waits_as_long_as_it_is_told_to() -> None:
    backend = Backend(failures=[(429, {"Retry-After": "3"}), (503, {"Retry-After": "7"})])
    tally, waits = sent(backend, made(2))
    assert tally.outcomes == {"accepted": 2}
    assert (waits, tally.retries) == ([3.0, 7.0], 2)


def test_a_lost_answer_is_asked_for_again_and_doubles_nothing() -> None:
    backend = Backend(failures=[(DROP, {})])
    tally, waits = sent(backend, made(2))
    assert tally.outcomes == {"duplicate": 2}
    assert tally.stored
    assert len(waits) == 1


def test_a_batch_that_is_never_answered_is_reported_and_the_others_still_go() -> None:
    backend = Backend(failures=[(503, {})] * ATTEMPTS)
    waits: list[float] = []
    with serving(backend) as url:
        sender = Sender(lambda: Product(url, dict), workers=1, wait=waits.append)
        tally = sender.send_all(batches(made(4), 2), lambda _tally: None)
    assert tally.outcomes == {"not sent": 2, "accepted": 2}
    assert tally.faults == [f"rows 1 to 2: status 503, {ATTEMPTS} times"]
    assert not tally.stored
    assert len(waits) == ATTEMPTS - 1
    assert max(waits) <= 30


def test_a_refused_request_is_not_repeated() -> None:
    backend = Backend(failures=[(401, {})])
    tally, waits = sent(backend, made(2))
    assert tally.outcomes == {"not sent": 2}
    assert tally.faults == ["rows 1 to 2: status 401: {}"]
    assert waits == []


def test_invalid_and_parked_events_are_named_by_their_row() -> None:
    backend = Backend(
        outcome_of=lambda name: {"e2": "invalid", "e3": "parked"}.get(name, "accepted")
    )
    tally, _ = sent(backend, made(4), size=4)
    assert tally.outcomes == {"accepted": 2, "invalid": 1, "parked": 1}
    assert not tally.stored
    assert tally.faults == [
        "row 2: /time is too old",
        "row 3: parked, its account or meter is not known yet",
    ]


def test_a_fault_that_repeats_is_shown_once_with_its_number() -> None:
    tally, _ = sent(Backend(outcome_of=lambda _name: "invalid"), made(4))
    assert tally.faults == ["row 1: /time is too old (and 3 more)"]


def test_a_batch_fits_into_one_request() -> None:
    sizes = [len(batch) for batch in batches(made(5, length=400_000), 500)]
    assert sizes == [2, 2, 1]
