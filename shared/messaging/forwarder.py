"""Sends lifecycle events to the publisher's endpoint: signed, and to no other place."""

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from shared.config import LOOPBACK, Settings
from shared.domain.errors import Rejected, Unavailable

TIMEOUT: Final = 10.0
MAX_BODY: Final = 128 * 1024
PLATFORM: Final = frozenset({"168.63.129.16"})
"""Addresses that look public and lead into Azure's platform (what-is-ip-address-168-63-129-16)."""

_PORTS: Final = {"https": 443, "http": 80}

type Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host. Raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in found})


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, also inside its IPv6 disguises."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        nat64 = ip in ipaddress.ip_network("64:ff9b::/96")
        if inner is not None:
            return is_public(str(inner))
        if nat64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast and str(ip) not in PLATFORM


def signature(secret: str, moment: int, body: bytes) -> str:
    """``t=seconds,v1=hex``: HMAC-SHA256 over ``seconds.body``."""
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


class _Pinned(http.client.HTTPSConnection):
    """A connection to one address that was looked at, with the certificate of the host: the name
    is not resolved again, when it could mean another machine."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), TIMEOUT)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)


class HttpForwarder:
    """Fulfils ``Forwarder``.

    ``url`` and ``hosts`` come from the settings, never from an event. Redirects are not
    followed, private addresses are refused, answers are not read beyond their status.
    """

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], datetime],
        resolve_host: Resolve = resolve,
        context: ssl.SSLContext | None = None,
        public: Callable[[str], bool] = is_public,
    ) -> None:
        self._url = settings.forward_url
        self._hosts = settings.forward_hosts
        self._secret = settings.forward_secret
        self._local = settings.local
        self._now = now
        self._resolve = resolve_host
        self._public = public
        self._context = context or ssl.create_default_context()

    def send(self, event: str, body: str) -> None:
        """See the port. Raises ``Rejected`` with status 0 for a place that may not be called."""
        data = body.encode()
        if len(data) > MAX_BODY:
            raise Rejected("the event is too large to be forwarded", 0)
        parts = urlsplit(self._url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        loopback = self._local and parts.scheme == "http" and host in LOOPBACK
        if host not in self._hosts or not (parts.scheme == "https" or loopback):
            raise Rejected("the host is not one that events may be forwarded to", 0)
        moment = int(self._now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "marketplace-metering",
            "x-metering-event": event,
            "x-metering-signature": signature(self._secret, moment, data),
        }
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection = self._connection(host, port, loopback=loopback)
        status = _post(connection, path, data, headers)
        if status >= http.client.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"the endpoint answered HTTP {status}")
        if not http.client.OK <= status < http.client.MULTIPLE_CHOICES:
            raise Rejected(f"the endpoint answered HTTP {status}", status)

    def _connection(self, host: str, port: int, *, loopback: bool) -> http.client.HTTPConnection:
        if loopback:
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise Unavailable("the endpoint's host has no address") from error
        if not addresses or not all(self._public(address) for address in addresses):
            raise Rejected("the endpoint's host has a private address", 0)
        return _Pinned(host, port, addresses[0], self._context)


def _post(
    connection: http.client.HTTPConnection, path: str, data: bytes, headers: dict[str, str]
) -> int:
    try:
        connection.request("POST", path, data, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"the endpoint gave no answer: {type(error).__name__}") from error
    finally:
        connection.close()
