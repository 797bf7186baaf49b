"""Service users: what can be made; every change of them is in the trail, and no secret is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.caller import Right
from shared.domain.errors import InvalidInput, NotFound, Unavailable
from shared.domain.ids import AccountCode
from shared.domain.serviceuser import ServiceUser
from shared.identity.apikeys import mint
from shared.services.service_users import (
    MAX_ACCOUNTS,
    SUBJECT,
    ManageServiceUsers,
    ServiceUserOrder,
)
from tests.fakes.clock import FakeClock
from tests.fakes.lifecycle import FakeAuditTrail
from tests.fakes.service_users import FakeServiceUsers
from tests.services.taps import Call, Journal, tap
from tests.services.world import START

ORDER = ServiceUserOrder("gateway", (Right.USAGE_WRITE,), (AccountCode("acme"),))


class Desk:
    """The service over its stores."""

    def __init__(self) -> None:
        self.clock, self.trail, self.journal = FakeClock(START), FakeAuditTrail(), Journal()
        self.users = FakeServiceUsers()

        def minted(*given: object) -> tuple[ServiceUser, str]:
            made = mint(*given)  # type: ignore[arg-type]  # handed through as they came
            return made.user, made.key

        store = tap(self.users, "users", self.journal)
        self.manage = ManageServiceUsers(store, minted, self.trail, self.clock)


def test_every_change_is_in_the_trail_and_no_secret_is() -> None:
    desk = Desk()
    user, key = desk.manage.create(ORDER, "ada")
    desk.clock.advance(timedelta(minutes=1))
    assert desk.manage.revoke(user.key_id, "bob").revoked == desk.clock.now()
    desk.manage.revoke(user.key_id, "eve")
    made, revoked = desk.trail.of(SUBJECT)
    assert (made.actor, made.action) == ("ada", "serviceuser.create")
    assert dict(made.detail) == {
        "keyId": user.key_id,
        "name": "gateway",
        "rights": "Usage.Write",
        "accounts": "acme",
        "expires": "",
    }
    assert (revoked.actor, revoked.action) == ("bob", "serviceuser.revoke")
    secret = key.rsplit("_", 1)[-1]
    for text in (repr(made), repr(revoked), repr(user)):
        assert secret not in text
        assert user.secret_hash not in text


def test_no_key_is_stored_that_the_trail_does_not_know() -> None:
    desk = Desk()

    def fails(_: Call) -> None:
        raise Unavailable("no answer")

    desk.journal.before("users.put", fails)
    with pytest.raises(Unavailable):
        desk.manage.create(ORDER, "ada")
    assert list(desk.users.list()) == []
    assert len(list(desk.trail.of(SUBJECT))) == 1


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        (replace(ORDER, name=""), "/name"),
        (replace(ORDER, rights=()), "/rights"),
        (replace(ORDER, accounts=()), "/accounts"),
        (replace(ORDER, accounts=(AccountCode("a"), AccountCode("b|c"))), "/accounts/1"),
        (replace(ORDER, accounts=(AccountCode("a"),) * (MAX_ACCOUNTS + 1)), "/accounts"),
        (replace(ORDER, expires=START), "/expires"),
        (replace(ORDER, expires=START.replace(tzinfo=None)), "/expires"),
    ],
)
def test_orders_that_cannot_be(order: ServiceUserOrder, pointer: str) -> None:
    desk = Desk()
    with pytest.raises(InvalidInput) as raised:
        desk.manage.create(order, "ada")
    assert [fault.pointer for fault in raised.value.fields] == [pointer]
    assert list(desk.trail.of(SUBJECT)) == []


def test_an_unknown_key_cannot_be_revoked() -> None:
    with pytest.raises(NotFound):
        Desk().manage.revoke("0" * 16, "ada")
