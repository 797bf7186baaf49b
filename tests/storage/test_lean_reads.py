"""Look-ups over bare connections: the SDK's requests, and what answers and silences come to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient

from local.azurite.process import ACCOUNT
from shared.domain.errors import MeteringError, Rejected, Throttled, Unavailable
from shared.storage.clock import StorageClock
from shared.storage.lean import SCOPE, Bearer, Lean
from shared.storage.lean_reads import AT_ONCE, LONGEST_WAIT, WAITS, LeanReads
from shared.storage.operations import Create
from shared.storage.tables import Tables
from tests.storage.stub import Stub, answering
from tests.storage.test_batch import Tokens

FOUND = json.dumps({"odata.etag": "x", "hash": "ü🎈"}).encode()


@pytest.fixture
def stub() -> Iterator[Stub]:
    with answering(Stub(body=FOUND)) as stub:
        yield stub


class Reader:
    """Look-ups at a stub, with the seconds they would have waited."""

    def __init__(self, port: int) -> None:
        self.tokens = Tokens()
        self.clock = StorageClock()
        self.slept: list[float] = []
        url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.lean = Lean(url, Bearer(self.tokens), self.clock, AT_ONCE)
        self.reads = LeanReads(self.lean, self.slept.append)

    def texts(self, *rows: str) -> list[str | None]:
        return self.reads.texts("Things", "p'q", rows, "hash")


@pytest.fixture
def reader(stub: Stub) -> Iterator[Reader]:
    reader = Reader(stub.port)
    yield reader
    reader.reads.close()
    reader.lean.close()


def test_the_request_is_that_of_the_sdk(stub: Stub, reader: Reader) -> None:
    row = "b|~%27 ü'"
    stub.status = 400
    with TableServiceClient.from_connection_string(stub.settings.tables_connection) as service:
        table = service.get_table_client("Things")
        with pytest.raises(HttpResponseError):
            table.get_entity("p'q", row, select=["hash"], retry_total=0)
    with pytest.raises(Rejected):
        reader.texts(row)
    expected, sent = (request.replace("%24", "$") for request in stub.requests)
    assert sent.replace("'", "%27") == expected.replace("'", "%27")


def test_what_is_there_is_read_with_a_token(stub: Stub, reader: Reader) -> None:
    stub.headers = {"Date": "Sun, 22 Nov 2020 11:50:00 GMT"}
    assert reader.texts("a") == ["ü🎈"]
    assert stub.last_authorization == "Bearer secret"
    assert reader.tokens.scopes == [SCOPE]
    assert reader.clock.now().year == 2020


def test_without_a_token_nothing_is_sent(stub: Stub, reader: Reader) -> None:
    reader.tokens.broken = True
    with pytest.raises(MeteringError):
        reader.texts("a")
    assert stub.requests == []


@pytest.mark.parametrize("trouble", [500, 503, 408, 429])
def test_a_trouble_that_passes_is_outlived(stub: Stub, reader: Reader, trouble: int) -> None:
    stub.statuses = [trouble] * len(WAITS)
    assert reader.texts("a") == ["ü🎈"]
    assert len(stub.requests) == 1 + len(WAITS)
    assert len(reader.slept) == len(WAITS)
    assert all(slept >= wait for slept, wait in zip(reader.slept, WAITS, strict=True))


@pytest.mark.parametrize(("asked", "waited"), [("2", 2.0), ("60", LONGEST_WAIT)])
def test_a_busy_service_is_given_the_time_it_asks_for(
    stub: Stub, reader: Reader, asked: str, waited: float
) -> None:
    stub.statuses, stub.headers = [429], {"Retry-After": asked}
    assert reader.texts("a") == ["ü🎈"]
    assert reader.slept == [waited]


@pytest.mark.parametrize(
    ("status", "expected"), [(500, Unavailable), (429, Throttled), (0, Unavailable)]
)
def test_a_trouble_that_stays_is_told(
    stub: Stub, reader: Reader, status: int, expected: type[MeteringError]
) -> None:
    stub.status = status
    with pytest.raises(expected):
        reader.texts("a", "b", "c")
    assert len(stub.requests) == 3 * (1 + len(WAITS))


@pytest.mark.parametrize("status", [400, 403])
def test_a_refusal_is_final(stub: Stub, reader: Reader, status: int) -> None:
    stub.status = status
    with pytest.raises(Rejected):
        reader.texts("a")
    assert len(stub.requests) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"other": "x"}'])
def test_an_answer_without_sense_is_no_answer(stub: Stub, reader: Reader, body: bytes) -> None:
    stub.body = body
    with pytest.raises(Unavailable):
        reader.texts("a")


def test_one_row_s_trouble_is_not_another_s_answer(stub: Stub, reader: Reader) -> None:
    """The first of three is refused: nobody may take that for a row that is not there."""
    stub.statuses = [403]
    with pytest.raises(Rejected):
        reader.texts("a", "b", "c")


def test_rows_are_looked_up_at_the_same_time_within_bounds() -> None:
    """Each answer waits until as many requests are there as may be; no more ever are."""
    met = threading.Barrier(AT_ONCE, timeout=20)
    lock = threading.Lock()
    now = most = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            met.wait()
            with lock:
                now -= 1
            self.send_response_only(200)
            body = json.dumps({"hash": self.path.split("RowKey='")[1].split("'")[0]}).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        reader = Reader(server.server_address[1])
        rows = [str(number) for number in range(4 * AT_ONCE)]
        assert reader.texts(*rows) == rows
        reader.reads.close()
        reader.lean.close()
        server.shutdown()
    assert most == AT_ONCE


def test_rows_there_and_not_there_come_in_the_order_asked_for(tables: Tables) -> None:
    """With the account's key, on the real thing."""
    table = tables.table("Things")
    assert table.texts("p", ["a", "b"], "hash") == [None, None]
    table.transact("p'q", [Create(f"r|'{n} ü", {"hash": f"#{n}"}) for n in range(0, 40, 2)])
    rows = [f"r|'{n} ü" for n in range(39, -1, -1)]
    expected = [None if n % 2 else f"#{n}" for n in range(39, -1, -1)]
    assert table.texts("p'q", rows, "hash") == expected
    assert table.texts("p'q", [], "hash") == []
    for row in rows[:4]:
        entity = table.get("p'q", row, ["hash"])
        (text,) = table.texts("p'q", [row], "hash")
        assert text == (None if entity is None else entity.properties["hash"])
