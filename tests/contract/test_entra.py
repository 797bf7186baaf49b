"""Tokens over HTTP: asked for in every way, judged by published keys, keys rotated."""

import pytest

from local.marketplace.config import Settings as Simulated
from local.marketplace.defaults import (
    ADMINISTRATOR_APP,
    API_APP,
    BACKEND_APP,
    IDENTITY_HEADER,
    MARKETPLACE_APP,
    MARKETPLACE_SECRET,
    OTHER_TENANT,
    OUTSIDER_APP,
    PUBLISHER_TENANT,
)
from shared.config import Settings
from shared.domain.caller import CallerKind, Right
from shared.domain.errors import Rejected, Unauthenticated, Unavailable
from shared.identity.assertion import CertificateAssertion
from shared.identity.authorize import Authorizer, authorizer
from shared.marketplace.fulfillment import MarketplaceFulfillment
from shared.marketplace.tokens import (
    ClientCertificate,
    ClientSecret,
    FederatedIdentity,
    MarketplaceTokens,
    Proof,
)
from shared.marketplace.transport import Transport
from tests.contract.marketplace_worlds import OverHttp, over_http
from tests.fakes.service_users import FakeServiceUsers
from tests.identity.test_assertion import certificate_pem, key_pem
from tests.identity.tokens import private_key

__all__ = ["over_http"]


@pytest.fixture
def world(over_http: OverHttp) -> OverHttp:
    over_http.order("POST", "/reset")
    return over_http


def works(world: OverHttp, proof: Proof) -> bool:
    """Whether the Marketplace lets in whoever proves itself this way."""
    tokens = MarketplaceTokens(world.url, PUBLISHER_TENANT, MARKETPLACE_APP, proof)
    return list(MarketplaceFulfillment(Transport(world.url, tokens)).list_subscriptions()) == []


def test_a_secret_opens_the_marketplace(world: OverHttp) -> None:
    assert works(world, ClientSecret(MARKETPLACE_SECRET))


def test_a_wrong_secret_does_not(world: OverHttp) -> None:
    tokens = MarketplaceTokens(
        world.url, PUBLISHER_TENANT, MARKETPLACE_APP, ClientSecret("not the secret")
    )
    with pytest.raises(Rejected, match="invalid_client AADSTS7000215") as caught:
        tokens.bearer()
    assert caught.value.status == 401
    with pytest.raises(
        Unavailable, match=r"no token: Entra refused a token: invalid_client AADSTS7000215 \(401\)"
    ):
        works(world, ClientSecret("not the secret"))


def test_a_certificate_opens_the_marketplace(world: OverHttp) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = private_key("c").public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    client = {"clientId": MARKETPLACE_APP, "name": "marketplace", "publicKeys": [pem]}
    proof = ClientCertificate(CertificateAssertion(key_pem() + certificate_pem()))
    with pytest.raises(Unavailable, match="no token: Entra refused a token"):
        works(world, proof)
    world.order("POST", "/entra/clients", client)
    assert works(world, proof)


def test_a_managed_identity_opens_the_marketplace(
    world: OverHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{world.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", IDENTITY_HEADER)
    assert works(world, FederatedIdentity("aaaaaaaa-0009-4000-8000-000000000009"))


def test_without_its_endpoint_a_managed_identity_gives_no_token(
    world: OverHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{world.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    tokens = MarketplaceTokens(
        world.url, PUBLISHER_TENANT, MARKETPLACE_APP, FederatedIdentity(MARKETPLACE_APP)
    )
    with pytest.raises(Unavailable, match="the managed identity gave no token"):
        tokens.bearer()


# --- callers


def door(world: OverHttp) -> Authorizer:
    settings = Settings(
        entra_url=world.url,
        api_tenant_id=PUBLISHER_TENANT,
        api_client_id=API_APP,
        marketplace_tenant_id=PUBLISHER_TENANT,
        marketplace_client_id=MARKETPLACE_APP,
    )
    return authorizer(settings, FakeServiceUsers(), world.now)


def minted(world: OverHttp, **order: object) -> dict[str, str]:
    """The Authorization header of a token with any claims."""
    made = world.order("POST", "/entra/token", order)
    assert isinstance(made, dict)
    return {"authorization": f"Bearer {made['token']}"}


def asked_for(world: OverHttp, client: str) -> dict[str, str]:
    """The Authorization header of the token that a client gets for our API."""
    secret = next(each.secret for each in Simulated().clients if each.client_id == client)
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": secret,
        "scope": f"api://{API_APP}/.default",
    }
    return {"authorization": f"Bearer {world.token(form)}"}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_marketplaces_token_opens_the_webhook_only(world: OverHttp, version: str) -> None:
    headers = minted(world, version=version)
    assert door(world).partner_center(headers).kind is CallerKind.MARKETPLACE
    with pytest.raises(Unauthenticated):
        door(world).billing_read(headers)


@pytest.mark.parametrize(
    "order",
    [
        {"audience": API_APP},
        {"claims": {"tid": OTHER_TENANT}},
        {"claims": {"iss": f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"}},
        {"claims": {"azp": None}},
        {"claims": {"exp": 1}},
        {"claims": {"nbf": 9_999_999_999}},
        {"clientId": OUTSIDER_APP},
    ],
)
def test_any_other_token_does_not_open_the_webhook(
    world: OverHttp, order: dict[str, object]
) -> None:
    with pytest.raises(Unauthenticated):
        door(world).partner_center(minted(world, **order))


def test_backends_report_usage_and_administrators_do_everything(world: OverHttp) -> None:
    opened = door(world)
    backend = opened.usage_write(asked_for(world, BACKEND_APP))
    assert backend.kind is CallerKind.APPLICATION
    assert backend.rights == {Right.USAGE_WRITE}
    administrator = opened.billing_admin(asked_for(world, ADMINISTRATOR_APP))
    assert administrator.rights == set(Right)


def test_keys_may_be_rotated_at_any_time(world: OverHttp) -> None:
    opened = door(world)
    before = minted(world)
    assert opened.partner_center(before).kind is CallerKind.MARKETPLACE
    world.order("POST", "/entra/rotate", {})
    after = minted(world)
    assert before != after
    for headers in (before, after):
        assert opened.partner_center(headers).kind is CallerKind.MARKETPLACE


def test_a_key_of_an_emergency_is_known_to_whoever_asks_then(world: OverHttp) -> None:
    world.order("POST", "/entra/rotate", {"emergency": True})
    assert door(world).partner_center(minted(world)).kind is CallerKind.MARKETPLACE
