"""Table storage over HTTP with the standard library alone, so that it works in Cloud Shell."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

VERSION = "2019-07-07"
PATIENCE = (1.0, 4.0, 15.0)
"""Seconds before each further try of a request that got no answer."""

TOKEN_SECONDS = 1200.0
"""Tokens live for an hour at least; az hands out held ones that have five minutes left or more."""

BATCH_ENTITIES = 100
BATCH_BYTES = 3 * 1024 * 1024
"""A transaction takes 4 MiB; the rest is for what surrounds the entities."""

_BUSY = frozenset({408, 429, 500, 502, 503, 504})

# Entities are what the service's JSON says: names of properties, values, types beside them.
Entity = dict[str, Any]


class TablesFault(Exception):
    """The service said no, or nothing; the message is for people."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Signer(Protocol):
    """Adds what proves who we are."""

    def __call__(self, url: str, headers: dict[str, str]) -> None:
        """Add headers to a request for ``url``."""
        ...


@dataclass(frozen=True)
class BearerToken:
    """A token of Entra for https://storage.azure.com."""

    token: str = field(repr=False)

    def __call__(self, url: str, headers: dict[str, str]) -> None:  # noqa: ARG002 - a Signer
        """Add it."""
        headers["Authorization"] = f"Bearer {self.token}"


class CliToken:
    """Tokens of whoever is signed in to az, a new one before the last expires.

    ``first`` is one that was fetched a moment ago, empty for none. Raises ``TablesFault``.
    """

    def __init__(
        self,
        first: str = "",
        fetch: Callable[[], str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = first
        self._fetch = fetch or _az_token
        self._monotonic = monotonic
        self._since = monotonic()

    def __call__(self, url: str, headers: dict[str, str]) -> None:
        """Add it."""
        if not self._token or self._monotonic() - self._since > TOKEN_SECONDS:
            self._token, self._since = self._fetch(), self._monotonic()
        BearerToken(self._token)(url, headers)


def _az_token() -> str:
    command = "az account get-access-token --resource https://storage.azure.com"
    arguments = [*command.split(), "--query", "accessToken", "--output", "tsv"]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise TablesFault(f"az gave no token for storage: {said.strip()}") from None
    return done.stdout.strip()


@dataclass(frozen=True)
class AccountKey:
    """The key of an account, by the scheme SharedKeyLite."""

    account: str
    key: bytes = field(repr=False)

    def __call__(self, url: str, headers: dict[str, str]) -> None:
        """Sign date and path."""
        text = f"{headers['x-ms-date']}\n/{self.account}{urlsplit(url).path}"
        digest = hmac.digest(self.key, text.encode(), hashlib.sha256)
        signature = base64.b64encode(digest).decode()
        headers["Authorization"] = f"SharedKeyLite {self.account}:{signature}"


class TableService:
    """The tables of one account. Everything raises ``TablesFault``."""

    def __init__(
        self, endpoint: str, sign: Signer, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._sign = sign
        self._sleep = sleep

    def tables(self) -> list[str]:
        """Names of all tables."""
        return [row["TableName"] for row in self._pages("Tables", ("NextTableName",))]

    def entities(self, table: str) -> Iterator[Entity]:
        """All entities of a table in the order of their keys, ready to be stored again."""
        for row in self._pages(f"{table}()", ("NextPartitionKey", "NextRowKey")):
            entity = {name: value for name, value in row.items() if _is_content(name)}
            # The service names no type for a double, but takes a whole one without for an integer.
            doubles = [name for name, value in entity.items() if isinstance(value, float)]
            yield entity | {f"{name}@odata.type": "Edm.Double" for name in doubles}

    def create(self, table: str) -> None:
        """Make a table; one that is there is fine."""
        body = json.dumps({"TableName": table}).encode()
        try:
            self._send("POST", f"{self._endpoint}/Tables", body, "application/json")
        except TablesFault as fault:
            if fault.status != 409:
                raise

    def put(self, table: str, entities: Sequence[Entity]) -> None:
        """Store entities of one partition in one transaction, replacing what is there."""
        body = _transaction([(self._url_of(table, entity), entity) for entity in entities])
        url = f"{self._endpoint}/$batch"
        answer, _ = self._send("POST", url, body, "multipart/mixed; boundary=batch_tables")
        refused = (
            b"HTTP/1.1 204" not in answer or b"HTTP/1.1 4" in answer or b"HTTP/1.1 5" in answer
        )
        if refused:
            raise TablesFault(f"a transaction on {table} was refused: {_reason(answer)}")

    def put_all(self, table: str, entities: Iterator[Entity]) -> int:
        """Store entities that come in the order of their partitions; returns how many."""
        count = 0
        batch: list[Entity] = []
        size = 0
        for entity in entities:
            length = len(json.dumps(entity)) + 1024
            full = len(batch) == BATCH_ENTITIES or size + length > BATCH_BYTES
            if batch and (full or batch[0]["PartitionKey"] != entity["PartitionKey"]):
                self.put(table, batch)
                batch, size = [], 0
            batch.append(entity)
            size += length
            count += 1
        if batch:
            self.put(table, batch)
        return count

    def _url_of(self, table: str, entity: Entity) -> str:
        partition, row = (
            quote(str(entity[name]).replace("'", "''"), safe="'")
            for name in ("PartitionKey", "RowKey")
        )
        return f"{self._endpoint}/{table}(PartitionKey='{partition}',RowKey='{row}')"

    def _pages(self, path: str, tokens: Sequence[str]) -> Iterator[dict[str, Any]]:
        following: dict[str, str] = {}
        while True:
            query = f"?{urlencode(following)}" if following else ""
            body, headers = self._send("GET", f"{self._endpoint}/{path}{query}")
            yield from json.loads(body)["value"]
            found = {token: headers.get(f"x-ms-continuation-{token}") for token in tokens}
            following = {token: value for token, value in found.items() if value}
            if not following:
                return

    def _send(
        self, method: str, url: str, body: bytes | None = None, content_type: str = ""
    ) -> tuple[bytes, Mapping[str, str]]:
        """Every request may be sent again: reading and replacing are both repeatable."""
        for pause in (*PATIENCE, None):
            try:
                return self._send_once(method, url, body, content_type)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                status = error.code if isinstance(error, urllib.error.HTTPError) else 0
                if pause is None or (status and status not in _BUSY):
                    raise TablesFault(_told(method, url, error), status) from None
                self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _send_once(
        self, method: str, url: str, body: bytes | None, content_type: str
    ) -> tuple[bytes, Mapping[str, str]]:
        headers = {
            "Accept": "application/json;odata=fullmetadata",
            "DataServiceVersion": "3.0;NetFx",
            "MaxDataServiceVersion": "3.0;NetFx",
            "x-ms-date": formatdate(usegmt=True),
            "x-ms-version": VERSION,
        }
        if content_type:
            headers["Content-Type"] = content_type
        self._sign(url.partition("?")[0], headers)
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - http(s)
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - http(s)
            return response.read(), response.headers


def connect(connection: str) -> TableService:
    """The service of a connection string. Raises ``TablesFault`` for one without a key."""
    parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
    account, key = parts.get("AccountName", ""), parts.get("AccountKey", "")
    if not account or not key:
        raise TablesFault("the connection string names no account and key")
    default = f"https://{account}.table.{parts.get('EndpointSuffix', 'core.windows.net')}"
    endpoint = parts.get("TableEndpoint", default)
    return TableService(endpoint, AccountKey(account, base64.b64decode(key)))


def _is_content(name: str) -> bool:
    """Links, times and versions are the service's own; types of properties are kept."""
    own = name.startswith("odata.") or name in {"Timestamp", "Timestamp@odata.type"}
    return not own and not name.endswith(("@odata.navigationLinkUrl", "@odata.associationLinkUrl"))


def _transaction(changes: Sequence[tuple[str, Entity]]) -> bytes:
    lines = ["--batch_tables", "Content-Type: multipart/mixed; boundary=changeset_tables", ""]
    for url, entity in changes:
        lines += ["--changeset_tables", "Content-Type: application/http"]
        lines += ["Content-Transfer-Encoding: binary", "", f"PUT {url} HTTP/1.1"]
        lines += ["Content-Type: application/json", "Accept: application/json;odata=nometadata"]
        lines += ["Prefer: return-no-content", "DataServiceVersion: 3.0", "", json.dumps(entity)]
    lines += ["--changeset_tables--", "--batch_tables--", ""]
    return "\r\n".join(lines).encode()


def _told(method: str, url: str, error: Exception) -> str:
    shown = f"{method} {url.partition('?')[0]}"
    if isinstance(error, urllib.error.HTTPError):
        return f"{shown} answered {error.code}: {_reason(error.read())}"
    return f"{shown} got no answer: {error}"


def _reason(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    start = text.find('{"odata.error"')
    return " ".join(text[max(start, 0) :][:400].split())
