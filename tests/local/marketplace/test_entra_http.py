"""Entra ID's stand-in over HTTP: grants, refusals, keys, metadata."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from local.marketplace import defaults
from tests.local.marketplace.site import TIMEOUT, Json, Site

TENANT = defaults.PUBLISHER_TENANT
API_SCOPE = f"api://{defaults.API_APP}/.default"


def claims_of(site: Site, token: str, audience: str) -> Json:
    """Verified claims."""
    key = jwt.PyJWKClient(f"{site.url}/{TENANT}/discovery/v2.0/keys").get_signing_key_from_jwt(
        token
    )
    found: Json = jwt.decode(token, key, audience=audience, algorithms=["RS256"])
    return found


@pytest.mark.parametrize(
    ("client", "secret", "roles"),
    [
        (defaults.BACKEND_APP, defaults.BACKEND_SECRET, ["Usage.Write"]),
        (
            defaults.ADMINISTRATOR_APP,
            defaults.ADMINISTRATOR_SECRET,
            ["Billing.Admin", "Billing.Read"],
        ),
        (defaults.MARKETPLACE_APP, defaults.MARKETPLACE_SECRET, None),
    ],
)
def test_a_token_for_our_api(site: Site, client: str, secret: str, roles: list[str] | None) -> None:
    answer = site.token_v2(client, secret, API_SCOPE)
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    claims = claims_of(site, body["access_token"], defaults.API_APP)
    assert claims.get("roles") == roles
    assert (claims["ver"], claims["tid"], claims["azp"]) == ("2.0", TENANT, client)
    assert claims["iss"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert claims["oid"] == claims["sub"] != client
    again = site.token_v2(client, secret, API_SCOPE).json()["access_token"]
    assert claims_of(site, again, defaults.API_APP)["oid"] == claims["oid"]


def test_the_v1_endpoint_and_the_marketplace_resource(site: Site) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": defaults.MARKETPLACE_APP,
        "client_secret": defaults.MARKETPLACE_SECRET,
        "resource": defaults.MARKETPLACE_RESOURCE,
    }
    body = site.session.post(f"{site.url}/{TENANT}/oauth2/token", data=form, timeout=5).json()
    assert (body["expires_in"], body["resource"]) == ("3600", defaults.MARKETPLACE_RESOURCE)
    claims = claims_of(site, body["access_token"], defaults.MARKETPLACE_RESOURCE)
    assert (claims["ver"], claims["appid"]) == ("1.0", defaults.MARKETPLACE_APP)
    assert claims["iss"] == f"https://sts.windows.net/{TENANT}/"
    site.token = body["access_token"]
    assert site.call("GET", "/api/saas/subscriptions").status_code == 200


def test_the_outsider_gets_a_token_but_not_in(site: Site) -> None:
    scope = f"{defaults.MARKETPLACE_RESOURCE}/.default"
    app, secret = defaults.OUTSIDER_APP, defaults.OUTSIDER_SECRET
    answer = site.token_v2(app, secret, scope, defaults.OTHER_TENANT)
    site.token = answer.json()["access_token"]
    assert site.call("GET", "/api/saas/subscriptions").status_code == 403


REFUSALS = {
    "secret": ({"client_secret": "wrong"}, TENANT, 401, "invalid_client", 7000215),
    "no-secret": ({"client_secret": ""}, TENANT, 401, "invalid_client", 7000215),
    "client": ({"client_id": "x"}, TENANT, 400, "unauthorized_client", 700016),
    "tenant": ({}, "no-tenant", 400, "invalid_request", 90002),
    "other-tenant": ({}, defaults.OTHER_TENANT, 400, "unauthorized_client", 700016),
    "scope": ({"scope": "api://other/.default"}, TENANT, 400, "invalid_resource", 500011),
    "grant": ({"grant_type": "password"}, TENANT, 400, "unsupported_grant_type", 70003),
    "assertion": ({"client_assertion": "x.y.z"}, TENANT, 401, "invalid_client", 50027),
}


@pytest.mark.parametrize(
    ("change", "tenant", "status", "error", "number"), REFUSALS.values(), ids=REFUSALS
)
def test_refusals(
    site: Site, change: dict[str, str], tenant: str, status: int, error: str, number: int
) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": defaults.BACKEND_APP,
        "client_secret": defaults.BACKEND_SECRET,
        "scope": API_SCOPE,
    }
    url = f"{site.url}/{tenant}/oauth2/v2.0/token"
    answer = site.session.post(url, data=form | change, timeout=TIMEOUT)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")


def pem(key: RSAPrivateKey) -> str:
    """The public half as PEM text."""
    public = key.public_key()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, kind).decode()


def test_an_assertion_by_a_registered_key(site: Site) -> None:
    key, other = (generate_private_key(65537, 2048) for _ in range(2))
    client = {"clientId": "certified", "roles": ["Billing.Read"], "publicKeys": [pem(key)]}
    site.control("POST", "/entra/clients", client)
    url = f"{site.url}/{TENANT}/oauth2/v2.0/token"

    def grant(signer: RSAPrivateKey, **claims: object) -> int:
        payload = {"sub": "certified", "aud": url, "exp": time.time() + 60} | claims
        form = {
            "grant_type": "client_credentials",
            "client_id": "certified",
            "client_assertion": jwt.encode(payload, signer, algorithm="RS256"),
            "scope": API_SCOPE,
        }
        return site.session.post(url, data=form, timeout=TIMEOUT).status_code

    assert grant(key) == 200
    assert grant(other) == 401
    assert grant(key, sub="someone") == 401
    assert grant(key, aud="https://elsewhere") == 401
    assert grant(key, exp=1) == 401


def test_a_managed_identity_as_federated_credential(site: Site) -> None:
    query = {"resource": "api://AzureADTokenExchange", "api-version": "2019-08-01"}
    headers = {"X-IDENTITY-HEADER": defaults.IDENTITY_HEADER}
    url = f"{site.url}/msi/token"
    body = site.session.get(url, params=query, headers=headers, timeout=5).json()
    assert int(body["expires_on"]) > time.time()
    form = {
        "grant_type": "client_credentials",
        "client_id": defaults.MARKETPLACE_APP,
        "client_assertion": body["access_token"],
        "scope": f"{defaults.MARKETPLACE_RESOURCE}/.default",
    }
    answer = site.session.post(f"{site.url}/{TENANT}/oauth2/v2.0/token", data=form, timeout=5)
    assert answer.status_code == 200
    assert site.session.get(url, params=query, timeout=5).status_code == 400


def test_metadata_and_keys(site: Site) -> None:
    answer = site.session.get(
        f"{site.url}/{TENANT}/v2.0/.well-known/openid-configuration", timeout=5
    )
    body = answer.json()
    assert body["issuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert body["token_endpoint"] == f"{site.url}/{TENANT}/oauth2/v2.0/token"
    keys = site.session.get(body["jwks_uri"], timeout=5).json()["keys"]
    assert len(keys) >= 2
    for key in keys:
        assert {"kty", "use", "kid", "x5t", "n", "e", "issuer"} == set(key)
    common = site.session.get(
        f"{site.url}/common/v2.0/.well-known/openid-configuration", timeout=5
    ).json()
    assert "{tenantid}" in common["issuer"]
    for path in ("discovery/v2.0/keys", "v2.0/.well-known/openid-configuration"):
        assert site.session.get(f"{site.url}/nowhere/{path}", timeout=5).status_code == 400


def kid(token: str) -> str:
    """The key a token names."""
    return str(jwt.get_unverified_header(token)["kid"])


def test_rotation_signs_with_an_announced_key_and_keeps_the_old(site: Site) -> None:
    before = site.control("POST", "/entra/rotate").json()
    old = site.token
    rotated = site.control("POST", "/entra/rotate").json()
    assert rotated["kid"] in before["published"]
    assert set(before["published"]) <= set(rotated["published"])
    site.sign_in()
    assert kid(site.token) == rotated["kid"] != kid(old)
    for token in (old, site.token):
        site.token = token
        assert site.call("GET", "/api/saas/subscriptions").status_code == 200


def test_an_emergency_rotation_withdraws_the_old_keys(site: Site) -> None:
    before = site.control("POST", "/entra/rotate").json()
    rotated = site.control("POST", "/entra/rotate", {"emergency": True}).json()
    assert not set(before["published"]) & set(rotated["published"])
    assert site.call("GET", "/api/saas/subscriptions").status_code == 401
    site.sign_in()
    assert site.call("GET", "/api/saas/subscriptions").status_code == 200


def test_tokens_are_valid_on_both_clocks(site: Site) -> None:
    old = site.token
    now = site.advance(days=3).timestamp()
    site.sign_in()
    claims = jwt.decode(site.token, options={"verify_signature": False})
    for clock in (time.time(), now):
        assert claims["nbf"] <= clock < claims["exp"]
    site.token = old
    assert site.call("GET", "/api/saas/subscriptions").status_code == 200


def test_a_minted_token_carries_any_claims(site: Site) -> None:
    order = {"version": "v1", "claims": {"aud": "x", "tid": None, "exp": 5}}
    body = site.control("POST", "/entra/token", order).json()
    claims = jwt.decode(body["token"], options={"verify_signature": False})
    assert claims == body["claims"]
    assert (claims["aud"], claims["exp"], "tid" in claims) == ("x", 5, False)
    assert claims["appid"] == defaults.MARKETPLACE_RESOURCE


def test_secrets_are_never_shown(site: Site) -> None:
    log = site.control("GET", "/requests?target=entra").text
    clients = site.control("GET", "/entra/clients").text
    assert defaults.MARKETPLACE_APP in log
    assert defaults.MARKETPLACE_APP in clients
    for text in (log, clients):
        assert defaults.MARKETPLACE_SECRET not in text
        assert site.token not in text
