"""Bare HTTP connections to Table storage, and transactions over them, at a fraction of the SDK's
cost."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3
from azure.core.credentials import TokenCredential

from shared.domain.errors import MeteringError, TooLarge, Unavailable
from shared.storage.batch_wire import (
    CONTENT_TYPE,
    Failed,
    Garbled,
    Succeeded,
    batch_body,
    code_in,
    read_answer,
)
from shared.storage.clock import StorageClock
from shared.storage.faults import error_of, translated
from shared.storage.limits import TRANSACTION_BYTES
from shared.storage.operations import Operation

API_VERSION: Final = "2019-07-07"
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 6.0
"""Two sends and the making of a missing table between them end within 30 seconds."""

SCOPE: Final = "https://storage.azure.com/.default"


@dataclass(frozen=True, slots=True)
class Request:
    """A request to be signed: ``path`` as it is sent, without a query."""

    method: str
    path: str
    content_type: str
    date: str


class Signer(Protocol):
    """Proves who sends a request."""

    def headers(self, request: Request) -> Mapping[str, str]:
        """Headers that go with ``request``."""
        ...


@dataclass(frozen=True, slots=True)
class SharedKey:
    """Signs with the account's key (Microsoft's page ``authorize-with-shared-key``)."""

    account: str
    key: bytes

    def headers(self, request: Request) -> Mapping[str, str]:
        resource = f"/{self.account}{request.path}"
        text = f"{request.method}\n\n{request.content_type}\n{request.date}\n{resource}"
        signature = base64.b64encode(hmac.digest(self.key, text.encode(), "sha256")).decode()
        return {"Authorization": f"SharedKey {self.account}:{signature}"}


@dataclass(frozen=True, slots=True)
class Bearer:
    """Sends an Entra token that ``credential`` hands out and keeps fresh."""

    credential: TokenCredential

    def headers(self, request: Request) -> Mapping[str, str]:  # noqa: ARG002 - a protocol
        with translated():
            token = self.credential.get_token(SCOPE).token
        return {"Authorization": f"Bearer {token}"}


class Lean:
    """Bare connections to the tables of one account."""

    def __init__(
        self, endpoint: str, signer: Signer, clock: StorageClock, connections: int
    ) -> None:
        parts = urlsplit(endpoint.rstrip("/"))
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self.path = parts.path
        self._signer = signer
        self._clock = clock
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._pool = urllib3.connection_from_url(
            f"{parts.scheme}://{parts.netloc}", maxsize=connections, timeout=timeout, retries=False
        )

    def get(self, path: str, query: str) -> urllib3.BaseHTTPResponse:
        """Read, once. Raises ``Unavailable`` without an answer."""
        return self._send("GET", path, query, None, "")

    def post(self, path: str, body: bytes, content_type: str) -> urllib3.BaseHTTPResponse:
        """Write, once. Raises ``Unavailable`` without an answer."""
        return self._send("POST", path, "", body, content_type)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _send(
        self, method: str, path: str, query: str, body: bytes | None, content_type: str
    ) -> urllib3.BaseHTTPResponse:
        date = format_datetime(self._clock.machine_now(), usegmt=True)
        headers = {
            "Accept": "application/json",
            "x-ms-date": date,
            "x-ms-version": API_VERSION,
            "DataServiceVersion": "3.0",
            "MaxDataServiceVersion": "3.0;NetFx",
            **self._signer.headers(Request(method, path, content_type, date)),
        }
        if content_type:
            headers["Content-Type"] = content_type
        try:
            response = self._pool.urlopen(method, path + query, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as exc:
            raise Unavailable(f"table storage gave no answer: {type(exc).__name__}") from exc
        told = response.headers.get("Date")
        if told:
            self._clock.observe(told)
        return response


class LeanTransactions:
    """Entity group transactions on the tables of one account."""

    def __init__(self, lean: Lean) -> None:
        self._lean = lean

    def send(
        self, table: str, partition: str, operations: Sequence[Operation]
    ) -> Succeeded | Failed:
        """All operations or none, sent once.

        Raises ``TooLarge`` before sending what Azure would not take, ``Throttled``,
        ``Unavailable`` or ``Rejected`` like every adapter of storage.
        """
        body = batch_body(f"{self._lean.base}/{table}", partition, operations)
        if len(body) > TRANSACTION_BYTES:
            raise TooLarge(f"a transaction takes {TRANSACTION_BYTES} bytes, not {len(body)}")
        response = self._lean.post(f"{self._lean.path}/$batch", body, CONTENT_TYPE)
        if response.status != 202:
            raise refusal(response)
        try:
            return read_answer(response.data, len(operations))
        except Garbled as exc:
            raise Unavailable(f"table storage gave no usable answer: {exc}") from exc


def refusal(response: urllib3.BaseHTTPResponse) -> MeteringError:
    """The error that an answer is which no one asked for."""
    code = code_in(response.data)
    return error_of(response.status, code, response.headers.get("Retry-After"))
