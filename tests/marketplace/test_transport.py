"""What HTTP does, and which of the five outcomes it becomes."""

import socket
import uuid
from decimal import Decimal

import pytest

from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.marketplace.http import IDLE, MAX_BODY, Sessions, Timeouts, secure_url
from shared.marketplace.transport import Busy, NoAnswer, NotSent, Refusal, Success, Transport
from tests.marketplace.stub import Drop, FixedTokens, Reply, Silence, Stub

QUICK = Timeouts(connect=2, read=0.2, total=5)


def transport_to(url: str) -> Transport:
    return Transport(url, FixedTokens(), timeouts=QUICK, correlation=lambda: "chain-1")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        pytest.param(Reply(200, '{"a": 1.10}'), Success({"a": Decimal("1.10")}), id="json"),
        pytest.param(Reply(200), Success(None), id="empty"),
        pytest.param(
            Reply(202, headers={"Operation-Location": "http://x/y"}),
            Success(None, "http://x/y"),
            id="accepted",
        ),
        pytest.param(Reply(200, "<html>"), NoAnswer("the answer is not JSON"), id="html"),
        pytest.param(Reply(200, '{"a": NaN}'), NoAnswer("the answer is not JSON"), id="nan"),
        pytest.param(Reply(200, "[" * 100_000), NoAnswer("the answer is not JSON"), id="deep"),
        pytest.param(Reply(400, '{"code": "BadArgument"}'), Refusal(400), id="bad-request"),
        pytest.param(Reply(403, "<html>"), Refusal(403), id="forbidden"),
        pytest.param(Reply(408), NoAnswer("HTTP 408"), id="request-timeout"),
        pytest.param(Reply(429, headers={"Retry-After": "7"}), Busy(7), id="seconds"),
        pytest.param(Reply(429), Busy(1), id="no-retry-after"),
        pytest.param(Reply(429, headers={"Retry-After": "soon"}), Busy(1), id="nonsense"),
        pytest.param(Reply(429, headers={"Retry-After": "99999999"}), Busy(3600), id="bounded"),
        pytest.param(Reply(500, "{}"), NoAnswer("HTTP 500"), id="server-error"),
        pytest.param(Reply(503, headers={"Retry-After": "7"}), NoAnswer("HTTP 503"), id="down"),
        pytest.param(
            Reply(307, headers={"Location": "/elsewhere"}), NoAnswer("HTTP 307"), id="redirect"
        ),
        pytest.param(Drop(), NoAnswer("ConnectionError"), id="dropped"),
        pytest.param(Silence(), NoAnswer("ReadTimeout"), id="silent"),
        pytest.param(
            Reply(200, '{"a":', claimed_length=500), NoAnswer("ChunkedEncodingError"), id="cut"
        ),
        pytest.param(
            Reply(200, " " * (MAX_BODY + 1)), NoAnswer("the answer is too large"), id="too-large"
        ),
    ],
)
def test_outcome(stub: Stub, reply: Reply | Drop | Silence, outcome: object) -> None:
    stub.answer(reply)
    assert transport_to(stub.url).call("GET", "/x") == outcome
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("until", "seconds"),
    [("10:00:30", 30.0), ("09:59:00", 0.0), ("23:00:00", 3600.0)],
)
def test_a_retry_after_date_is_read_against_the_servers_own_date(
    stub: Stub, until: str, seconds: float
) -> None:
    headers = {
        "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
        "Retry-After": f"Sun, 22 Nov 2026 {until} GMT",
    }
    stub.answer(Reply(429, headers=headers))
    assert transport_to(stub.url).call("GET", "/x") == Busy(seconds)


def test_every_request_names_its_version_itself_and_its_chain(stub: Stub) -> None:
    transport = transport_to(stub.url)
    transport.call("POST", "/x", params={"planId": "a&b"}, headers={"x-more": "1"}, body="{}")
    transport.call("GET", "/x")
    post, get = stub.asked
    assert post.query == {"planId": ["a&b"], "api-version": ["2018-08-31"]}
    assert post.headers["authorization"] == "Bearer t0"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["x-more"] == "1"
    assert post.body == "{}"
    assert get.headers["x-ms-correlationid"] == "chain-1"
    assert "content-type" not in get.headers
    ids = {uuid.UUID(asked.headers["x-ms-requestid"]) for asked in stub.asked}
    assert len(ids) == 2


def test_a_refused_token_is_replaced_once(stub: Stub) -> None:
    stub.script = lambda asked: Reply(200 if asked.headers["authorization"] == "Bearer t1" else 401)
    assert transport_to(stub.url).call("POST", "/x", body="{}") == Success(None)
    assert [asked.headers["authorization"] for asked in stub.asked] == ["Bearer t0", "Bearer t1"]


def test_a_second_401_is_the_answer(stub: Stub) -> None:
    stub.answer(Reply(401))
    assert transport_to(stub.url).call("GET", "/x") == Refusal(401)
    assert len(stub.asked) == 2


def test_a_refused_connection_was_never_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert transport_to(url).call("GET", "/x") == NotSent("no connection")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("Entra did not answer"), "no token: Entra did not answer"),
        (Throttled("Entra is throttling", 5), "no token: Entra is throttling"),
        (Rejected("Entra refused a token", 401), "no token: Entra refused a token (401)"),
    ],
)
def test_without_a_token_nothing_is_sent(stub: Stub, error: Exception, reason: str) -> None:
    class NoTokens(FixedTokens):
        def bearer(self) -> str:
            raise error

    assert Transport(stub.url, NoTokens()).call("GET", "/x") == NotSent(reason)
    assert stub.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://marketplaceapi.microsoft.com",
        "http://127.0.0.1.example.org",
        "ftp://localhost",
        "https://",
        "marketplaceapi.microsoft.com",
        "",
    ],
)
def test_an_unencrypted_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="must be an https URL"):
        Transport(url, FixedTokens())


@pytest.mark.parametrize("url", ["https://x.example/", "http://127.0.0.1:8080", "http://[::1]:1"])
def test_an_encrypted_or_local_url_serves(url: str) -> None:
    assert secure_url(url, "X") == url.rstrip("/")


def test_a_netrc_or_proxy_of_the_machine_changes_nothing(stub: Stub) -> None:
    transport = transport_to(stub.url)
    transport.call("GET", "/x")
    assert not transport._sessions.get().trust_env


def test_connections_that_were_idle_for_long_are_not_used_again(stub: Stub) -> None:
    time = [0.0]
    sessions = Sessions(lambda: time[0])
    for pause in (0.0, IDLE - 1, IDLE + 1):
        time[0] += pause
        assert sessions.get().get(stub.url).ok
    first, second, third = [asked.port for asked in stub.asked]
    assert first == second
    assert second != third
