"""From headers to callers: which credentials open what."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from shared.config import Settings
from shared.domain.caller import Caller, Right
from shared.domain.errors import Forbidden, Misconfigured, Unauthenticated
from shared.domain.ids import AccountCode
from shared.identity.apikeys import ApiKeys, mint
from shared.identity.authorize import Authorizer, authorizer
from shared.identity.entra import EntraTokens
from shared.identity.keys import SigningKeys
from tests.fakes.service_users import FakeServiceUsers
from tests.identity.tokens import APP, KEYS_URL, NOW, TENANT, Published, signed, v1, v2

API = "aaaaaaaa-0002-4000-8000-000000000002"
ACME, UMBRELLA = AccountCode("acme"), AccountCode("umbrella")


class Door:
    def __init__(self) -> None:
        keys = SigningKeys(KEYS_URL, Published().fetch)
        self.users = FakeServiceUsers()
        self.authorizer = Authorizer(
            EntraTokens(TENANT, frozenset({API, f"api://{API}"}), keys, lambda: NOW),
            EntraTokens(TENANT, frozenset({APP}), keys, lambda: NOW),
            ApiKeys(self.users, lambda: NOW),
        )

    def key(self, *rights: Right, accounts: tuple[AccountCode, ...] | None = None) -> str:
        minted = mint("meter", frozenset(rights), accounts, NOW)
        self.users.put(minted.user)
        return minted.key


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def with_roles(*roles: str) -> dict[str, str]:
    return bearer(signed(v2(aud=API, roles=list(roles))))


VERBS: dict[str, Callable[[Authorizer, dict[str, str]], Caller]] = {
    "Usage.Write": lambda door, headers: door.usage_write(headers),
    "Billing.Read": lambda door, headers: door.billing_read(headers),
    "Billing.Admin": lambda door, headers: door.billing_admin(headers),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", [*VERBS, "none"])
def test_each_verb_needs_its_right(verb: str, role: str) -> None:
    door = Door().authorizer
    headers = with_roles(role)
    if role in (verb, "Billing.Admin"):
        assert VERBS[verb](door, headers).may(Right(verb))
    else:
        with pytest.raises(Forbidden, match=verb):
            VERBS[verb](door, headers)


@pytest.mark.parametrize(
    "spelled",
    [
        lambda key: {"x-api-key": key},
        lambda key: {"X-Api-Key": f" {key} "},
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"authorization": f"bearer  {key}"},
    ],
)
def test_an_api_key_may_stand_in_either_header(spelled: Callable[[str], dict[str, str]]) -> None:
    door = Door()
    key = door.key(Right.USAGE_WRITE, accounts=(ACME,))
    caller = door.authorizer.usage_write(spelled(key))
    assert caller.accounts == frozenset({ACME})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "mk_0000000000000000_x"},
        {"x-api-key": "mk_"},
        {"x-api-key": "anything"},
        {"authorization": "Bearer mk_unknown"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Bearer " + "x" * 30_000},
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_without_credentials_nothing_opens(verb: str, headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated) as caught:
        VERBS[verb](Door().authorizer, headers)
    assert "x" * 100 not in str(caught.value)


def test_two_credentials_are_refused_even_if_both_are_good() -> None:
    door = Door()
    key = door.key(Right.USAGE_WRITE)
    headers = {**with_roles("Usage.Write"), "x-api-key": key}
    with pytest.raises(Unauthenticated, match="not both"):
        door.authorizer.usage_write(headers)


def test_a_caller_limited_to_accounts_reads_only_these() -> None:
    door = Door()
    headers = {"x-api-key": door.key(Right.BILLING_READ, accounts=(ACME,))}
    door.authorizer.billing_read(headers, ACME)
    for account in (UMBRELLA, None):
        with pytest.raises(Forbidden, match="limited"):
            door.authorizer.billing_read(headers, account)
    free = {"x-api-key": door.key(Right.BILLING_READ)}
    door.authorizer.billing_read(free)
    door.authorizer.billing_read(free, UMBRELLA)


def test_an_administrator_limited_to_accounts_changes_only_these() -> None:
    door = Door()
    headers = {"x-api-key": door.key(Right.BILLING_ADMIN, accounts=(ACME,))}
    door.authorizer.billing_admin(headers, ACME)
    with pytest.raises(Forbidden, match="limited"):
        door.authorizer.billing_admin(headers)


def test_only_the_marketplace_opens_the_webhook() -> None:
    door = Door()
    door.authorizer.partner_center(bearer(signed(v1())))
    door.authorizer.partner_center(bearer(signed(v2())))
    key = door.key(*Right)
    for headers in (
        {},
        with_roles("Billing.Admin"),
        bearer(signed(v1(appid=API))),
        bearer(key),
        {"x-api-key": key},
    ):
        with pytest.raises(Unauthenticated):
            door.authorizer.partner_center(headers)


def test_the_marketplaces_token_does_not_open_the_api() -> None:
    with pytest.raises(Unauthenticated):
        Door().authorizer.usage_write(bearer(signed(v1(roles=["Billing.Admin"]))))


def test_the_authorizer_is_made_from_settings() -> None:
    users = FakeServiceUsers()
    minted = mint("meter", frozenset({Right.USAGE_WRITE}), None, NOW)
    users.put(minted.user)
    settings = Settings(
        api_tenant_id=TENANT,
        api_client_id=API,
        marketplace_tenant_id=TENANT,
        marketplace_client_id=APP,
    )
    made = authorizer(settings, users, lambda: NOW)
    assert made.usage_write({"x-api-key": minted.key}).id == minted.user.key_id
    with pytest.raises(Misconfigured):
        authorizer(Settings(), users, lambda: NOW)


def test_a_call_with_an_api_key_loads_no_cryptography() -> None:
    """Cold starts are felt: only tokens need these packages."""
    program = (
        "import sys\n"
        "import shared.identity.authorize\n"
        "heavy = {'jwt', 'cryptography', 'requests', 'azure', 'pydantic'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
