"""Transactions over bare connections: the same requests as the SDK's, and the same answers."""

import email.parser
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.data.tables import TableServiceClient, UpdateMode

from local.azurite.process import ACCOUNT
from shared.domain.errors import MeteringError, Rejected, TooLarge, Unavailable
from shared.storage.batch_wire import Failed, Garbled, Succeeded, batch_body, read_answer
from shared.storage.clock import StorageClock
from shared.storage.lean import SCOPE, Bearer, Lean, LeanTransactions
from shared.storage.limits import Property
from shared.storage.operations import Create, Delete, Operation, Put, Replace
from tests.storage.stub import Stub, answering

ETAG = "W/\"datetime'2026-11-22T09%3A32%3A35.5467045Z'\""
PROPERTIES: dict[str, Property] = {
    "text": 'ü"é\\ 🎈\r\n--batch',
    "data": bytes(range(256)),
    "empty": "",
}

OPERATIONS: list[Operation] = [
    Create("a", PROPERTIES),
    Put("b|~%27 ü", PROPERTIES),
    Replace("c'd", {}, ETAG),
    Replace("e", PROPERTIES, None),
    Delete("f", ETAG),
    Delete("g'", None),
]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with answering(Stub(status=202)) as stub:
        yield stub


@dataclass(frozen=True, slots=True)
class Sent:
    """What one operation asks for, however it is spelled."""

    method: str
    url: str
    match: str | None
    entity: object


def requests_in(content_type: str, body: bytes) -> list[Sent]:
    parser = email.parser.BytesParser()
    batch = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    found = []
    for part in batch.walk():
        if part.get_content_type() == "application/http":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append(request_in(payload))
    return found


def request_in(payload: bytes) -> Sent:
    line, rest = payload.split(b"\r\n", 1)
    head, _, body = rest.partition(b"\r\n\r\n")
    method, url, version = line.decode().split(" ")
    assert version == "HTTP/1.1"
    headers = email.parser.BytesParser().parsebytes(head)
    entity = json.loads(body) if body.strip() else None
    if entity is not None:
        # Text is the default, which the SDK says all the same.
        entity = {name: value for name, value in entity.items() if value != "Edm.String"}
    path = re.sub("^http://[^/]*", "", url).replace("%27", "'")
    return Sent(method, path, headers["If-Match"], entity)


def sent_by_the_sdk(stub: Stub) -> list[Sent]:
    condition = {"etag": ETAG, "match_condition": MatchConditions.IfNotModified}
    replace = {"mode": UpdateMode.REPLACE}

    def keys(row: str) -> dict[str, Property]:
        return {"PartitionKey": "p'q", "RowKey": row}

    stub.status, stub.body = 400, b"{}"
    with TableServiceClient.from_connection_string(stub.settings.tables_connection) as service:
        table = service.get_table_client("Things")
        with pytest.raises(HttpResponseError):
            table.submit_transaction(
                [
                    ("create", keys("a") | PROPERTIES),
                    ("upsert", keys("b|~%27 ü") | PROPERTIES, replace),
                    ("update", keys("c'd"), replace | condition),
                    ("update", keys("e") | PROPERTIES, replace),
                    ("delete", keys("f"), condition),
                    ("delete", keys("g'")),
                ],
                retry_total=0,
            )
    return requests_in(stub.last_type, stub.last_body)


@contextmanager
def transactions(stub: Stub, clock: StorageClock, bearer: Bearer) -> Iterator[LeanTransactions]:
    lean = Lean(f"http://127.0.0.1:{stub.port}/{ACCOUNT}", bearer, clock, 1)
    yield LeanTransactions(lean)
    lean.close()


class Tokens:
    """A credential of Entra."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.broken = False

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        if self.broken:
            raise ClientAuthenticationError("no identity here")
        self.scopes += scopes
        return AccessToken("secret", int(time.time()) + 3600)


def test_the_request_is_that_of_the_sdk(stub: Stub) -> None:
    expected = sent_by_the_sdk(stub)
    with transactions(stub, StorageClock(), Bearer(Tokens())) as lean, pytest.raises(Rejected):
        lean.send("Things", "p'q", OPERATIONS)
    assert requests_in(stub.last_type, stub.last_body) == expected
    assert len(expected) == len(OPERATIONS)


def test_a_token_is_sent_and_the_answer_s_date_observed(stub: Stub) -> None:
    tokens, clock = Tokens(), StorageClock()
    stub.headers = {"Date": "Sun, 22 Nov 2020 11:50:00 GMT"}
    with transactions(stub, clock, Bearer(tokens)) as lean, pytest.raises(Unavailable):
        lean.send("Things", "p", OPERATIONS)
    assert stub.last_authorization == "Bearer secret"
    assert tokens.scopes == [SCOPE]
    assert clock.now().year == 2020


def test_without_a_token_nothing_is_sent(stub: Stub) -> None:
    tokens = Tokens()
    tokens.broken = True
    with transactions(stub, StorageClock(), Bearer(tokens)) as lean, pytest.raises(MeteringError):
        lean.send("Things", "p", OPERATIONS)
    assert stub.requests == []


def test_what_is_too_large_is_not_sent(stub: Stub) -> None:
    bearer = Bearer(Tokens())
    with transactions(stub, StorageClock(), bearer) as lean, pytest.raises(TooLarge):
        lean.send("Things", "p", [Put(f"{n}", {"data": b"x" * 60_000}) for n in range(60)])
    assert stub.requests == []


def test_an_answer_gives_versions_in_order() -> None:
    parts = [
        b'HTTP/1.1 201 Created\r\nETag: W/"1"\r\nLocation: x\r\n\r\n',
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b'HTTP/1.1 204 No Content\r\nX: HTTP/1.1 500\r\netag: W/"3"\r\n\r\n\r\n',
    ]
    body = b"\r\n".join(b"--changesetresponse_1\r\n\r\n" + part for part in parts)
    assert read_answer(body, 3) == Succeeded(('W/"1"', "", 'W/"3"'))
    with pytest.raises(Garbled):
        read_answer(body, 4)


@pytest.mark.parametrize(
    ("message", "index"), [("17:Exists.\\nTime:1:2", 17), ("No index.", 0), ("0:First", 0)]
)
def test_a_failure_names_the_operation(message: str, index: int) -> None:
    body = (
        "--changesetresponse_1\r\n\r\nHTTP/1.1 409 Conflict\r\n\r\n"
        '{"odata.error":{"code":"EntityAlreadyExists","message":{"lang":"en-US","value":"'
        f'{message}"}}}}}}\r\n--changesetresponse_1--'
    )
    assert read_answer(body.encode(), 30) == Failed(409, "EntityAlreadyExists", index)


@pytest.mark.parametrize("body", ["", "HTTP/1.1 409 Conflict\r\n\r\n", "HTTP/1.1 500\r\n{[1]}"])
def test_an_answer_without_sense_is_said_to_be_so(body: str) -> None:
    with pytest.raises(Garbled):
        read_answer(body.encode(), 1)


def test_a_body_is_text_that_cannot_end_early() -> None:
    hostile = {"x": "\r\n--changeset_metering--\r\n--batch_metering--\r\n"}
    body = batch_body("http://x/t", "p", [Create("a", hostile)])
    assert body.count(b"\r\n--changeset_metering--") == 1
    assert body.endswith(b"--batch_metering--\r\n")
