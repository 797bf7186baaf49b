"""The publisher's endpoint: signed calls to allowed public hosts, and to nothing else."""

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.config import Settings
from shared.domain.errors import MeteringError, Rejected, Unavailable
from shared.messaging.forwarder import HttpForwarder, is_public, signature

NOW = dt.datetime(2026, 11, 22, 9, 30, tzinfo=dt.UTC)
SECRET = "0123456789abcdef0123456789abcdef"
LOCAL = "TableEndpoint=http://127.0.0.1:10002/x;"
HOST = "events.contoso.example"


class Endpoint:
    """Answers what it is told to; ``calls`` are paths, headers and bodies."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.calls: list[tuple[str, dict[str, str], bytes]] = []


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.calls.append((self.path, dict(self.headers), body))
            self.send_response(found.status)
            self.send_header("Location", f"http://127.0.0.1:{found.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def forwarder(url: str, hosts: str, *, local: bool = True) -> HttpForwarder:
    settings = Settings(
        tables_connection=LOCAL if local else "",
        forward_url=url,
        forward_hosts=frozenset(hosts.split()),
        forward_secret=SECRET,
    )
    return HttpForwarder(settings, lambda: NOW)


def test_an_event_is_sent_signed(endpoint: Endpoint) -> None:
    url = f"http://127.0.0.1:{endpoint.port}/hook?x=1"
    forwarder(url, "127.0.0.1").send("e1", '{"größe": 1}')
    ((path, headers, body),) = endpoint.calls
    assert path == "/hook?x=1"
    assert body == '{"größe": 1}'.encode()
    assert headers["x-metering-event"] == "e1"
    assert headers["x-metering-signature"] == signature(SECRET, int(NOW.timestamp()), body)
    assert headers["x-metering-signature"].startswith("t=1795339800,v1=")


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, Rejected), (307, Rejected), (400, Rejected), (410, Rejected), (500, Unavailable)],
)
def test_any_answer_but_success_is_none(
    endpoint: Endpoint, status: int, error: type[MeteringError]
) -> None:
    endpoint.status = status
    with pytest.raises(error):
        forwarder(f"http://127.0.0.1:{endpoint.port}/", "127.0.0.1").send("e", "{}")
    assert len(endpoint.calls) == 1, "a redirect is not followed"


@pytest.mark.parametrize(
    ("url", "hosts", "local"),
    [
        pytest.param("http://127.0.0.1:{}/", "127.0.0.1", False, id="plain-http"),
        pytest.param("http://127.0.0.1:{}/", "contoso.example", True, id="another-host"),
        pytest.param("http://127.0.0.1:{}/", "", True, id="no-host-allowed"),
        pytest.param("https://127.0.0.1:{}/", "127.0.0.1", False, id="loopback"),
        pytest.param("https://[::1]:{}/", "::1", False, id="loopback-v6"),
        pytest.param("https://localhost:{}/", "localhost", False, id="loopback-by-name"),
        pytest.param("https://169.254.169.254/", "169.254.169.254", False, id="metadata"),
        pytest.param("file:///etc/passwd", "", False, id="file"),
    ],
)
def test_places_that_are_never_called(
    endpoint: Endpoint, url: str, hosts: str, *, local: bool
) -> None:
    with pytest.raises(Rejected):
        forwarder(url.format(endpoint.port), hosts, local=local).send("e", "{}")
    assert endpoint.calls == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("20.50.2.1", True),
        ("2603:1030::1", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("168.63.129.16", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_public_addresses(address: str, *, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("addresses", [["20.50.2.1", "10.0.0.1"], ["10.0.0.1"], []])
def test_a_host_with_any_private_address_is_refused(addresses: list[str]) -> None:
    settings = Settings(
        forward_url=f"https://{HOST}/", forward_hosts=frozenset({HOST}), forward_secret=SECRET
    )
    sender = HttpForwarder(settings, lambda: NOW, lambda _host, _port: addresses)
    with pytest.raises(Rejected, match="private"):
        sender.send("e", "{}")


def test_a_host_that_is_not_found_may_be_found_later() -> None:
    def missing(_host: str, _port: int) -> list[str]:
        raise OSError

    settings = Settings(
        forward_url=f"https://{HOST}/", forward_hosts=frozenset({HOST}), forward_secret=SECRET
    )
    with pytest.raises(Unavailable):
        HttpForwarder(settings, lambda: NOW, missing).send("e", "{}")


def test_an_event_that_is_too_large_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(Rejected, match="too large"):
        forwarder(f"http://127.0.0.1:{endpoint.port}/", "127.0.0.1").send("e", "x" * 200_000)
    assert endpoint.calls == []


def test_nobody_there() -> None:
    with pytest.raises(Unavailable):
        forwarder("http://127.0.0.1:1/", "127.0.0.1").send("e", "{}")


def certificate(directory: Path, host: str) -> tuple[Path, Path]:
    """A certificate of ``host`` that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = directory / "cert.pem", directory / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, private


@pytest.mark.parametrize(("named", "taken"), [(HOST, True), ("evil.example", False)])
def test_the_address_is_looked_at_once_and_the_certificate_is_the_hosts(
    tmp_path: Path, named: str, *, taken: bool
) -> None:
    """The connection goes to the address that was looked at; no second look-up can divert it."""
    pem, private = certificate(tmp_path, named)
    served: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            served.append(self.headers["Host"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that breaks off is what the test is about."""

    server = Server(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, private)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings = Settings(
        forward_url=f"https://{HOST}:{server.server_port}/",
        forward_hosts=frozenset({HOST}),
        forward_secret=SECRET,
    )
    trusting = ssl.create_default_context(cafile=str(pem))
    looked: list[str] = []

    def found(host: str, _port: int) -> list[str]:
        looked.append(host)
        return ["127.0.0.1"]

    sender = HttpForwarder(settings, lambda: NOW, found, trusting, lambda _address: True)
    try:
        if taken:
            sender.send("e", "{}")
        else:
            with pytest.raises(Unavailable):
                sender.send("e", "{}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert looked == [HOST]
    assert served == ([f"{HOST}:{server.server_port}"] if taken else [])
