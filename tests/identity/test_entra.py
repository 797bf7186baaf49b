"""Which tokens are believed, and who they stand for."""

import base64
import json
from datetime import datetime, timedelta

import jwt
import pytest

from shared.domain.caller import CallerKind, Right, rights_of
from shared.domain.errors import Misconfigured, Unauthenticated, Unavailable
from shared.identity.entra import EntraTokens, api_caller, keys_url, partner_center
from shared.identity.keys import SigningKeys
from tests.identity.tokens import (
    APP,
    KEYS_URL,
    NOW,
    OTHER_TENANT,
    RESOURCE,
    TENANT,
    Published,
    private_key,
    published,
    signed,
    v1,
    v2,
)

ISSUER_OF_ANOTHER = f"https://sts.windows.net/{OTHER_TENANT}/"


def judge(now: datetime = NOW, published: Published | None = None) -> EntraTokens:
    keys = SigningKeys(KEYS_URL, (published or Published()).fetch)
    return EntraTokens(TENANT, frozenset({APP, f"api://{APP}"}), keys, lambda: now)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("claims", [v1(), v2(), v1(tid=TENANT.upper(), aud=APP.upper())])
def test_both_versions_of_the_marketplaces_token_are_taken(claims: dict[str, object]) -> None:
    caller = partner_center(judge(), signed(claims))
    assert (caller.kind, caller.id) == (CallerKind.MARKETPLACE, RESOURCE)
    assert caller.rights == frozenset()


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param(v1(aud="another"), "another application", id="audience"),
        pytest.param(v1(aud=[APP]), "another application", id="several-audiences"),
        pytest.param(v1(aud=None), "another application", id="no-audience"),
        pytest.param(v1(tid=OTHER_TENANT), "another tenant", id="tenant"),
        pytest.param(v1(tid=None), "another tenant", id="no-tenant"),
        pytest.param(v1(iss=ISSUER_OF_ANOTHER), "another tenant", id="issuer"),
        pytest.param(v1(iss=[ISSUER_OF_ANOTHER]), "another tenant", id="odd-issuer"),
        pytest.param(v1(iss=None), "another tenant", id="no-issuer"),
        pytest.param(
            v1(iss=f"https://sts.windows.net/{TENANT}"), "another tenant", id="issuer-without-slash"
        ),
        pytest.param(v1(appid=APP), "not the Marketplace's", id="application-v1"),
        pytest.param(v2(azp=APP), "not the Marketplace's", id="application-v2"),
        pytest.param(v1(appid=None), "not the Marketplace's", id="no-application"),
        pytest.param(v1(appid=None, azp=RESOURCE), "not the Marketplace's", id="azp-in-v1"),
        pytest.param(v2(azp=None, appid=RESOURCE), "not the Marketplace's", id="appid-in-v2"),
        pytest.param(v1(exp=None), "when it is valid", id="no-expiry"),
        pytest.param(v1(exp="later"), "when it is valid", id="odd-expiry"),
        pytest.param(v1(exp=True), "when it is valid", id="boolean-expiry"),
        pytest.param(v1(exp=float("nan")), "when it is valid", id="nan-expiry"),
        pytest.param(v1(exp=float("inf")), "when it is valid", id="endless"),
        pytest.param(v1(nbf="now"), "when it is valid", id="odd-start"),
    ],
)
def test_a_genuine_token_for_someone_else_is_refused(
    claims: dict[str, object], reason: str
) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        partner_center(judge(), signed(claims))


@pytest.mark.parametrize(
    ("moment", "valid"),
    [
        (timedelta(seconds=3600 + 59), True),
        (timedelta(seconds=3600 + 60), False),
        (timedelta(seconds=-300 - 60), True),
        (timedelta(seconds=-300 - 61), False),
    ],
)
def test_clocks_may_differ_by_a_minute(moment: timedelta, valid: bool) -> None:
    token, tokens = signed(v1()), judge(NOW + moment)
    if valid:
        partner_center(tokens, token)
    else:
        with pytest.raises(Unauthenticated, match=r"expired|not valid yet"):
            partner_center(tokens, token)


def test_a_token_without_start_is_valid_at_once() -> None:
    partner_center(judge(), signed(v1(nbf=None)))


def test_a_changed_token_is_refused() -> None:
    header, _, signature = signed(v1()).split(".")
    forged = f"{header}.{part(v1(exp=2**40))}.{signature}"
    with pytest.raises(Unauthenticated, match="no valid token"):
        judge().claims(forged)


def test_an_unsigned_token_is_refused() -> None:
    for algorithm in ("none", "None", "NONE"):
        token = f"{part({'alg': algorithm, 'kid': 'k1', 'typ': 'JWT'})}.{part(v1())}."
        with pytest.raises(Unauthenticated):
            judge().claims(token)


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused() -> None:
    secret = base64.urlsafe_b64decode(str(published("k1")["n"]) + "==")
    token = jwt.encode(v1(), secret, algorithm="HS256", headers={"kid": "k1"})
    with pytest.raises(Unauthenticated, match="not signed as Entra signs"):
        judge().claims(token)


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_no_other_algorithm_is_taken(algorithm: str) -> None:
    with pytest.raises(Unauthenticated, match="not signed as Entra signs"):
        judge().claims(signed(v1(), algorithm=algorithm))


def test_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    numbers = published("intruder")
    url = "https://intruder.example/keys"
    for headers in (
        {"jwk": numbers},
        {"jku": url},
        {"x5u": url},
        {"x5c": ["MIIB"]},
        {"kid": "intruder", "jwk": numbers},
    ):
        token = signed(v1(), "intruder", {"kid": "k1", **headers})
        with pytest.raises(Unauthenticated):
            judge().claims(token)


def test_a_genuine_token_with_such_headers_is_judged_by_the_published_key() -> None:
    assert judge().claims(signed(v1(), headers={"jku": "https://intruder.example/keys"}))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b.c",
        "..",
        "é.é.é",
        "x" * 20_000,
        f"{part([])}.{part({})}.x",
        f"{part({'alg': 'RS256'})}.{part(v1())}.x",
        f"{part({'alg': 'RS256', 'kid': 5})}.{part(v1())}.x",
        f"{part({'alg': 'RS256', 'kid': 'k' * 200})}.{part(v1())}.x",
        f"{part({'alg': ['RS256'], 'kid': 'k1'})}.{part(v1())}.x",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        judge().claims(token)
    assert len(token) < 5 or token not in str(caught.value)


def test_claims_that_are_no_object_are_refused() -> None:
    token = jwt.PyJWS().encode(b"[1]", private_key("k1"), "RS256", headers={"kid": "k1"})
    with pytest.raises(Unauthenticated):
        judge().claims(token)


def test_without_keys_nobody_can_be_judged() -> None:
    with pytest.raises(Unavailable):
        judge(published=Published(error=Unavailable("away"))).claims(signed(v1()))


@pytest.mark.parametrize(("tenant", "audiences"), [("", {"a"}), ("t", set()), ("t", {"a", ""})])
def test_without_settings_nothing_is_judged(tenant: str, audiences: set[str]) -> None:
    with pytest.raises(Misconfigured):
        EntraTokens(tenant, frozenset(audiences), SigningKeys(KEYS_URL), lambda: NOW)


def test_keys_are_those_of_the_tenant() -> None:
    assert keys_url("https://login.example", TENANT) == KEYS_URL


# --- callers of our API


@pytest.mark.parametrize(
    ("roles", "rights"),
    [
        (["Usage.Write"], {Right.USAGE_WRITE}),
        (["Billing.Read", "Other"], {Right.BILLING_READ}),
        (["Billing.Admin"], set(Right)),
        (["usage.write"], set()),
        ([], set()),
        (None, set()),
        ("Billing.Admin", set()),
        ([["Billing.Admin"], 7], set()),
    ],
)
def test_rights_are_the_roles(roles: object, rights: set[Right]) -> None:
    caller = api_caller(judge(), signed(v2(aud=f"api://{APP}", roles=roles)))
    assert caller.rights == rights
    assert caller.accounts is None


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        (v2(), CallerKind.APPLICATION),
        (v2(scp="access"), CallerKind.PERSON),
        (v2(sub="pairwise"), CallerKind.PERSON),
        (v2(sub=None), CallerKind.PERSON),
    ],
)
def test_persons_and_applications_are_told_apart(
    claims: dict[str, object], kind: CallerKind
) -> None:
    caller = api_caller(judge(), signed(claims))
    assert (caller.kind, caller.id) == (kind, "object-1")


def test_a_caller_without_identity_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="who calls"):
        api_caller(judge(), signed(v2(oid=None)))


def test_administrators_may_do_everything() -> None:
    assert rights_of(["Billing.Admin"]) == frozenset(Right)
    assert rights_of(["Usage.Write", "nonsense"]) == {Right.USAGE_WRITE}
