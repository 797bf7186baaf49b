"""Tokens: asked for in three ways, kept until shortly before they expire, never shown."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.config import MARKETPLACE_RESOURCE, Settings
from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.marketplace.tokens import (
    ClientCertificate,
    ClientSecret,
    FederatedIdentity,
    MarketplaceTokens,
    Proof,
    proof_of,
)
from tests.marketplace.stub import Asked, Drop, Reply, Stub

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "aaaaaaaa-0001-4000-8000-000000000001"
SECRET = "do-not-show"


class Time:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def tokens(stub: Stub, time: Time | None = None, proof: Proof | None = None) -> MarketplaceTokens:
    return MarketplaceTokens(
        stub.url, TENANT, CLIENT, proof or ClientSecret(SECRET), monotonic=time or Time()
    )


def issuing(stub: Stub, lifetime: int = 3600) -> None:
    def script(_: Asked) -> Reply:
        body = f'{{"access_token": "token{len(stub.asked)}", "expires_in": {lifetime}}}'
        return Reply(200, body)

    stub.script = script


def test_the_request_is_a_client_credentials_grant_for_the_marketplace(stub: Stub) -> None:
    issuing(stub)
    assert tokens(stub).bearer() == "token1"
    (asked,) = stub.asked
    assert (asked.method, asked.path) == ("POST", f"/{TENANT}/oauth2/v2.0/token")
    assert asked.form == {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": f"{MARKETPLACE_RESOURCE}/.default",
        "client_secret": SECRET,
    }


def test_a_certificate_signs_for_the_application_and_the_endpoint(stub: Stub) -> None:
    issuing(stub)
    proof = ClientCertificate(lambda client, audience: f"signed {client} for {audience}")
    tokens(stub, proof=proof).bearer()
    form = stub.asked[0].form
    assert "client_secret" not in form
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    endpoint = f"{stub.url}/{TENANT}/oauth2/v2.0/token"
    assert form["client_assertion"] == f"signed {CLIENT} for {endpoint}"


@pytest.mark.parametrize(("lifetime", "early"), [(3600, 300), (600, 60)])
def test_a_token_is_kept_until_shortly_before_it_expires(
    stub: Stub, lifetime: int, early: int
) -> None:
    issuing(stub, lifetime)
    time = Time()
    source = tokens(stub, time)
    assert source.bearer() == "token1"
    time.seconds += lifetime - early - 1
    assert source.bearer() == "token1"
    time.seconds += 1
    assert source.bearer() == "token2"


def test_a_forgotten_token_is_not_handed_out_again(stub: Stub) -> None:
    issuing(stub)
    source = tokens(stub)
    first = source.bearer()
    source.forget("another")
    assert source.bearer() == first
    source.forget(first)
    assert source.bearer() == "token2"


def test_many_threads_ask_once(stub: Stub) -> None:
    gate = threading.Event()

    def script(_: Asked) -> Reply:
        gate.wait(5)
        return Reply(200, '{"access_token": "only", "expires_in": 3600}')

    stub.script = script
    source = tokens(stub)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(source.bearer) for _ in range(8)]
        gate.set()
        assert {each.result() for each in waiting} == {"only"}
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        pytest.param(
            Reply(
                401,
                '{"error": "invalid_client", "error_codes": [7000215],'
                ' "error_description": "AADSTS7000215: do-not-show"}',
            ),
            Rejected,
            "Entra refused a token: invalid_client AADSTS7000215",
            id="wrong-secret",
        ),
        pytest.param(Reply(400, "[]"), Rejected, "no reason given", id="no-object"),
        pytest.param(Reply(400, "<html>"), Rejected, "no reason given", id="not-json"),
        pytest.param(
            Reply(400, '{"error": "Bad Words!"}'), Rejected, "no reason given", id="odd-name"
        ),
        pytest.param(Reply(429, headers={"Retry-After": "9"}), Throttled, "throttling", id="429"),
        pytest.param(Reply(503), Unavailable, "HTTP 503", id="503"),
        pytest.param(Reply(302, headers={"Location": "/"}), Unavailable, "HTTP 302", id="302"),
        pytest.param(Drop(), Unavailable, "did not answer", id="dropped"),
        pytest.param(Reply(200, "{}"), Unavailable, "without a token", id="no-token"),
        pytest.param(
            Reply(200, '{"access_token": "x", "expires_in": "never"}'),
            Unavailable,
            "without a token",
            id="no-lifetime",
        ),
    ],
)
def test_what_goes_wrong_at_entra(
    stub: Stub, reply: Reply | Drop, error: type[Exception], message: str
) -> None:
    stub.answer(reply)
    with pytest.raises(error, match=message) as caught:
        tokens(stub).bearer()
    assert SECRET not in str(caught.value)


def test_after_a_failure_the_next_call_asks_again(stub: Stub) -> None:
    stub.answer(Reply(503), Reply(200, '{"access_token": "x", "expires_in": 3600}'))
    source = tokens(stub)
    with pytest.raises(Unavailable):
        source.bearer()
    assert source.bearer() == "x"


def test_no_secret_is_ever_printed() -> None:
    assert SECRET not in repr(ClientSecret(SECRET))


def signs(client: str, audience: str) -> str:
    return f"{client} for {audience}"


@pytest.mark.parametrize(
    ("settings", "proof"),
    [
        (Settings(marketplace_client_secret=SECRET, identity_client_id="i"), ClientSecret(SECRET)),
        (Settings(identity_client_id="i"), FederatedIdentity("i")),
        (
            Settings(marketplace_certificate="PEM", identity_client_id="i"),
            ClientCertificate(signs),
        ),
    ],
)
def test_the_settings_name_the_way(settings: Settings, proof: Proof) -> None:
    assert proof_of(settings, {"PEM": signs}.__getitem__) == proof


def test_settings_that_name_no_way_are_refused() -> None:
    with pytest.raises(InvalidInput, match="MARKETPLACE_CERTIFICATE or AZURE_CLIENT_ID"):
        proof_of(Settings(), lambda _: signs)
