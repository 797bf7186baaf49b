"""What every store of service users keeps to."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.caller import Right
from shared.domain.ids import AccountCode
from shared.domain.serviceuser import ServiceUser
from shared.ports import ServiceUsers
from shared.storage.service_users import TableServiceUsers
from tests.fakes.service_users import FakeServiceUsers

NOW = datetime(2026, 11, 22, 9, 30, 15, 123456, tzinfo=UTC)

PLAIN = ServiceUser(
    key_id="0123456789abcdef",
    name="meter of the “Ünïcode” product | with separators",
    secret_hash="ab" * 32,
    rights=frozenset({Right.USAGE_WRITE, Right.BILLING_READ}),
    accounts=(AccountCode("acme"), AccountCode("umbrella")),
    created=NOW,
    expires=datetime(2027, 11, 22, tzinfo=UTC),
)
FREE = ServiceUser("fedcba9876543210", "all", "cd" * 32, frozenset(), None, NOW)


@pytest.fixture(params=["fake", "azurite"])
def users(request: pytest.FixtureRequest) -> ServiceUsers:
    if request.param == "fake":
        return FakeServiceUsers()
    return TableServiceUsers(request.getfixturevalue("tables"))


def test_at_first_there_is_nobody(users: ServiceUsers) -> None:
    assert users.get(PLAIN.key_id) is None
    assert list(users.list()) == []
    users.delete(PLAIN.key_id)
    users.touch(PLAIN.key_id, NOW)
    assert list(users.list()) == []


def test_what_is_put_is_found_again(users: ServiceUsers) -> None:
    users.put(PLAIN)
    users.put(FREE)
    assert users.get(PLAIN.key_id) == PLAIN
    assert users.get(FREE.key_id) == FREE
    assert sorted(users.list(), key=lambda user: user.name) == [FREE, PLAIN]


def test_no_accounts_and_all_accounts_are_different_things(users: ServiceUsers) -> None:
    users.put(replace(PLAIN, accounts=()))
    found = users.get(PLAIN.key_id)
    assert found is not None
    assert found.accounts == ()


def test_putting_again_replaces(users: ServiceUsers) -> None:
    users.put(PLAIN)
    revoked = replace(PLAIN, revoked=NOW)
    users.put(revoked)
    assert users.get(PLAIN.key_id) == revoked
    assert len(list(users.list())) == 1


def test_touching_notes_the_use_and_nothing_else(users: ServiceUsers) -> None:
    users.put(PLAIN)
    users.touch(PLAIN.key_id, NOW)
    assert users.get(PLAIN.key_id) == replace(PLAIN, last_used=NOW)


def test_who_is_deleted_is_gone(users: ServiceUsers) -> None:
    users.put(PLAIN)
    users.put(FREE)
    users.delete(PLAIN.key_id)
    users.touch(PLAIN.key_id, NOW)
    assert list(users.list()) == [FREE]


@pytest.mark.parametrize("odd", ["", "a/b", "a' or 'a' eq 'a", "x" * 500, "ü", "a|b"])
def test_odd_key_ids_are_found_nowhere_and_never_stored(users: ServiceUsers, odd: str) -> None:
    users.put(PLAIN)
    assert users.get(odd) is None
    users.delete(odd)
    users.touch(odd, NOW)
    with pytest.raises(ValueError, match="letters and digits"):
        users.put(replace(PLAIN, key_id=odd))
    assert list(users.list()) == [PLAIN]
