"""Sends entity group transactions over bare HTTP connections, at a fraction of the SDK's cost."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

import urllib3
from azure.core.credentials import TokenCredential

from shared.domain.errors import TooLarge, Unavailable
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


class Signer(Protocol):
    """Proves who sends a request."""

    def headers(self, path: str, date: str) -> Mapping[str, str]:
        """Headers for a POST of a batch to ``path`` at ``date`` (RFC 1123)."""
        ...


@dataclass(frozen=True, slots=True)
class SharedKey:
    """Signs with the account's key (Microsoft's page ``authorize-with-shared-key``)."""

    account: str
    key: bytes

    def headers(self, path: str, date: str) -> Mapping[str, str]:
        text = f"POST\n\n{CONTENT_TYPE}\n{date}\n/{self.account}{path}"
        digest = hmac.new(self.key, text.encode(), hashlib.sha256).digest()
        signature = base64.b64encode(digest).decode()
        return {"Authorization": f"SharedKey {self.account}:{signature}"}


@dataclass(frozen=True, slots=True)
class Bearer:
    """Sends an Entra token that ``credential`` hands out and keeps fresh."""

    credential: TokenCredential

    def headers(self, path: str, date: str) -> Mapping[str, str]:  # noqa: ARG002 - a protocol
        with translated():
            token = self.credential.get_token(SCOPE).token
        return {"Authorization": f"Bearer {token}"}


class LeanTransactions:
    """Entity group transactions on the tables of one account."""

    def __init__(
        self, endpoint: str, signer: Signer, clock: StorageClock, connections: int
    ) -> None:
        parts = urlsplit(endpoint.rstrip("/"))
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._path = f"{parts.path}/$batch"
        self._signer = signer
        self._clock = clock
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._pool = urllib3.connection_from_url(
            f"{parts.scheme}://{parts.netloc}", maxsize=connections, timeout=timeout, retries=False
        )

    def send(
        self, table: str, partition: str, operations: Sequence[Operation]
    ) -> Succeeded | Failed:
        """All operations or none, sent once.

        Raises ``TooLarge`` before sending what Azure would not take, ``Throttled``,
        ``Unavailable`` or ``Rejected`` like every adapter of storage.
        """
        body = batch_body(f"{self._base}/{table}", partition, operations)
        if len(body) > TRANSACTION_BYTES:
            raise TooLarge(f"a transaction takes {TRANSACTION_BYTES} bytes, not {len(body)}")
        response = self._post(body)
        date = response.headers.get("Date")
        if date:
            self._clock.observe(date)
        if response.status != 202:
            code = code_in(response.data)
            raise error_of(response.status, code, response.headers.get("Retry-After"))
        try:
            return read_answer(response.data, len(operations))
        except Garbled as exc:
            raise Unavailable(f"table storage gave no usable answer: {exc}") from exc

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _post(self, body: bytes) -> urllib3.BaseHTTPResponse:
        date = format_datetime(self._clock.machine_now(), usegmt=True)
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Accept": "application/json",
            "x-ms-date": date,
            "x-ms-version": API_VERSION,
            "DataServiceVersion": "3.0",
            "MaxDataServiceVersion": "3.0;NetFx",
            **self._signer.headers(self._path, date),
        }
        try:
            return self._pool.urlopen("POST", self._path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as exc:
            raise Unavailable(f"table storage gave no answer: {type(exc).__name__}") from exc
