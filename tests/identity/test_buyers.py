"""Who is believed to be signed in to the landing page."""

import base64
import json
from datetime import timedelta

import pytest

from shared.config import Settings
from shared.domain.lifecycle.buyer import Buyer
from shared.identity.buyers import (
    AppServiceSignIn,
    LocalSignIn,
    NoSignIn,
    cookies,
    sign_in_of,
)
from shared.identity.keys import SigningKeys
from tests.identity.tokens import KEYS_URL, NOW, TENANT, Published, signed

PERSON = "44444444-4444-4444-8444-444444444444"
SOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
MICROSOFT = "http://schemas.microsoft.com/identity/claims/"
CLAIMS = [
    (f"{MICROSOFT}tenantid", TENANT.upper()),
    (f"{MICROSOFT}objectidentifier", PERSON.upper()),
    ("preferred_username", "ada@contoso.example"),
    ("name", "Ada"),
]
BUYER = Buyer(TENANT, PERSON, "ada@contoso.example", "Ada")
LOCAL = "DefaultEndpointsProtocol=http;TableEndpoint=http://127.0.0.1:10002/x;"


def principal(claims: object, provider: object = "aad") -> dict[str, str]:
    listed = (
        [{"typ": name, "val": value} for name, value in claims]
        if isinstance(claims, list)
        else claims
    )
    text = json.dumps({"auth_typ": provider, "claims": listed})
    return {"x-ms-client-principal": base64.b64encode(text.encode()).decode()}


def test_app_service_names_the_person() -> None:
    assert AppServiceSignIn().buyer(principal(CLAIMS)) == BUYER
    short = [("tid", TENANT), ("oid", PERSON), (f"{SOAP}emailaddress", "a@b.example")]
    assert AppServiceSignIn().buyer(principal(short)) == Buyer(TENANT, PERSON, "a@b.example")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"x-ms-client-principal": "%%%"}, id="not-base64"),
        pytest.param({"x-ms-client-principal": "e30="}, id="empty-object"),
        pytest.param({"x-ms-client-principal": "W10="}, id="array"),
        pytest.param({"x-ms-client-principal": "A" * 70_000}, id="too-long"),
        pytest.param(principal(CLAIMS, "google"), id="another-provider"),
        pytest.param(principal(CLAIMS[:1]), id="no-object-id"),
        pytest.param(principal(CLAIMS[1:]), id="no-tenant"),
        pytest.param(principal([("tid", "contoso"), ("oid", PERSON)]), id="tenant-no-guid"),
        pytest.param(principal("x"), id="claims-no-list"),
        pytest.param({"x-ms-client-principal-id": PERSON}, id="only-the-id"),
    ],
)
def test_what_names_nobody(headers: dict[str, str]) -> None:
    assert AppServiceSignIn().buyer(headers) is None


def local(published: Published, later: timedelta = timedelta()) -> LocalSignIn:
    keys = SigningKeys(KEYS_URL, published.fetch)
    return LocalSignIn("http://127.0.0.1:7072", keys, lambda: NOW + later)


def cookie(token: str) -> dict[str, str]:
    return {"cookie": f"other=1; local-sign-in={token}"}


def stand_in(**claims: object) -> str:
    whole: dict[str, object] = {
        "aud": "local-landing-page",
        "tid": TENANT,
        "oid": PERSON,
        "exp": int(NOW.timestamp()) + 60,
    }
    return signed(whole | claims)


def test_the_stand_in_names_the_person() -> None:
    assert local(Published()).buyer(cookie(stand_in())) == Buyer(TENANT, PERSON)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="garbage"),
        pytest.param(stand_in(aud="another"), id="for-another"),
        pytest.param(stand_in(exp=None), id="without-end"),
        pytest.param(stand_in(exp=int(NOW.timestamp()) - 1), id="expired"),
        pytest.param(stand_in(oid="nobody"), id="no-object-id"),
        pytest.param(signed({"aud": "local-landing-page"}, key="k2"), id="unknown-key"),
    ],
)
def test_a_bad_stand_in_names_nobody(token: str) -> None:
    assert local(Published()).buyer(cookie(token)) is None


def test_a_stand_in_ends() -> None:
    later = timedelta(minutes=2)
    assert local(Published(), later).buyer(cookie(stand_in())) is None


def test_headers_are_believed_only_where_app_service_writes_them() -> None:
    def chosen(**settings: object) -> object:
        return type(sign_in_of(Settings(**settings), KEYS_URL, lambda: NOW))  # type: ignore[arg-type]  # the names are the test's

    assert chosen() is NoSignIn
    assert chosen(app_service_auth=True) is AppServiceSignIn
    url = "http://127.0.0.1:7072"
    assert chosen(local_sign_in_url=url) is NoSignIn
    assert chosen(local_sign_in_url=url, tables_connection=LOCAL) is LocalSignIn
    assert NoSignIn().buyer(principal(CLAIMS)) is None


def test_the_way_back_is_kept_whole() -> None:
    back = "/landing?token=a%2Bb"
    assert AppServiceSignIn().sign_in_url(back).endswith("=%2Flanding%3Ftoken%3Da%252Bb")
    assert "logout" in AppServiceSignIn().sign_out_url(back)


def test_cookies() -> None:
    assert cookies({"cookie": "a=1; b=2=3; a=4; broken"}) == {"a": "1", "b": "2=3"}
    assert cookies({}) == {}
