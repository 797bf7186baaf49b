"""API keys: made, checked, kept for a minute, revoked."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.caller import Caller, CallerKind, Right
from shared.domain.errors import Unauthenticated, Unavailable
from shared.domain.ids import AccountCode
from shared.domain.serviceuser import ServiceUser
from shared.identity.apikeys import KEPT, MAX_KEPT, ApiKeys, Minted, mint
from tests.fakes.clock import FakeClock
from tests.fakes.service_users import FakeServiceUsers
from tests.identity.tokens import NOW, Seconds

WRITE = frozenset({Right.USAGE_WRITE})


class Bench:
    """Keys with everything that moves them."""

    def __init__(self, users: FakeServiceUsers | None = None) -> None:
        self.users = users or FakeServiceUsers()
        self.clock = FakeClock(NOW)
        self.seconds = Seconds()
        self.keys = ApiKeys(self.users, self.clock.now, self.seconds)

    def add(
        self, accounts: tuple[AccountCode, ...] | None = None, expires: datetime | None = None
    ) -> Minted:
        minted = mint("meter", WRITE, accounts, NOW, expires)
        self.users.put(minted.user)
        return minted


def test_a_key_says_who_calls() -> None:
    bench = Bench()
    minted = bench.add((AccountCode("acme"),))
    caller = bench.keys.caller(minted.key)
    assert caller == Caller(
        CallerKind.SERVICE_USER, minted.user.key_id, WRITE, frozenset({AccountCode("acme")})
    )
    assert caller.may_use(AccountCode("acme"))
    assert not caller.may_use(AccountCode("umbrella"))


def test_no_account_is_not_all_accounts() -> None:
    bench = Bench()
    assert not bench.keys.caller(bench.add(()).key).may_use(AccountCode("acme"))
    assert bench.keys.caller(bench.add(None).key).may_use(AccountCode("acme"))


def test_the_secret_has_256_bits_and_is_stored_nowhere() -> None:
    one, two = mint("a", WRITE, None, NOW), mint("a", WRITE, None, NOW)
    prefix, key_id, secret = one.key.split("_", 2)
    assert (prefix, key_id) == ("mk", one.user.key_id)
    assert len(secret) == 43
    assert one.user.secret_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(one)
    assert one.user.secret_hash not in repr(one)
    assert one.key != two.key
    assert one.user.key_id != two.user.key_id


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"), id="last-letter"),
        pytest.param(lambda key: key[:3] + "0" * 16 + key[19:], id="another-id"),
        pytest.param(lambda key: key[:-1], id="shorter"),
        pytest.param(lambda key: key + "A", id="longer"),
        pytest.param(lambda key: key + "\n", id="line-end"),
        pytest.param(lambda key: key.upper(), id="upper-case"),
        pytest.param(lambda key: key[3:], id="no-prefix"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "mk_é_é", id="not-ascii"),
        pytest.param(lambda _: "mk_" + "x" * 100_000, id="endless"),
    ],
)
def test_any_other_key_is_refused(spoil: object) -> None:
    assert callable(spoil)
    bench = Bench()
    minted = bench.add()
    bench.keys.caller(minted.key)
    with pytest.raises(Unauthenticated):
        bench.keys.caller(spoil(minted.key))


def test_a_checked_key_is_not_read_again_for_a_minute() -> None:
    bench = Bench()
    minted = bench.add()
    for _ in range(5):
        bench.keys.caller(minted.key)
    bench.seconds.at += KEPT - 0.1
    bench.keys.caller(minted.key)
    assert bench.users.reads == 1
    bench.seconds.at += 0.1
    bench.keys.caller(minted.key)
    assert bench.users.reads == 2


def test_a_revoked_key_opens_nothing_after_a_minute() -> None:
    bench = Bench()
    minted = bench.add()
    bench.keys.caller(minted.key)
    bench.users.put(replace(minted.user, revoked=NOW))
    bench.seconds.at += KEPT
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="revoked"):
            bench.keys.caller(minted.key)


def test_a_deleted_key_opens_nothing_after_a_minute() -> None:
    bench = Bench()
    minted = bench.add()
    bench.keys.caller(minted.key)
    bench.users.delete(minted.user.key_id)
    bench.seconds.at += KEPT
    with pytest.raises(Unauthenticated, match="unknown"):
        bench.keys.caller(minted.key)


def test_an_expired_key_opens_nothing_at_once() -> None:
    bench = Bench()
    minted = bench.add(expires=NOW + timedelta(seconds=10))
    bench.keys.caller(minted.key)
    bench.clock.advance(timedelta(seconds=10))
    with pytest.raises(Unauthenticated, match="expired"):
        bench.keys.caller(minted.key)


def test_a_wrong_key_is_never_kept() -> None:
    bench = Bench()
    minted = bench.add()
    wrong = minted.key[:-1] + ("A" if minted.key[-1] != "A" else "B")
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            bench.keys.caller(wrong)
    assert bench.users.reads == 3


def test_kept_keys_are_bounded() -> None:
    bench = Bench()
    first = bench.add()
    bench.keys.caller(first.key)
    for _ in range(MAX_KEPT):
        bench.keys.caller(bench.add().key)
    assert len(bench.keys._checked) == MAX_KEPT
    reads = bench.users.reads
    bench.keys.caller(first.key)
    assert bench.users.reads == reads + 1


def test_use_is_noted_about_once_an_hour() -> None:
    bench = Bench()
    minted = bench.add()
    bench.keys.caller(minted.key)
    assert bench.users.users[minted.user.key_id].last_used == NOW
    for minutes, noted in ((59, 0), (1, 60), (30, 60)):
        bench.clock.advance(timedelta(minutes=minutes))
        bench.seconds.at += KEPT
        bench.keys.caller(minted.key)
        used = bench.users.users[minted.user.key_id].last_used
        assert used == NOW + timedelta(minutes=noted)


class Untouchable(FakeServiceUsers):
    """A store that reads and does not write."""

    def touch(self, key_id: str, used: datetime) -> None:
        raise Unavailable(f"{key_id} {used}")


def test_a_call_does_not_fail_because_its_use_cannot_be_noted() -> None:
    bench = Bench(Untouchable())
    assert bench.keys.caller(bench.add().key).may(Right.USAGE_WRITE)


class Away(FakeServiceUsers):
    """A store that does not answer."""

    def get(self, key_id: str) -> ServiceUser | None:
        raise Unavailable(key_id)


def test_an_outage_of_the_store_is_not_a_wrong_key() -> None:
    bench = Bench(Away())
    with pytest.raises(Unavailable):
        bench.keys.caller(bench.add().key)


def test_who_administers_may_also_read_and_report() -> None:
    bench = Bench()
    minted = mint("admin", frozenset({Right.BILLING_ADMIN}), None, NOW)
    bench.users.put(minted.user)
    caller = bench.keys.caller(minted.key)
    assert all(caller.may(right) for right in Right)
    assert not bench.keys.caller(bench.add().key).may(Right.BILLING_READ)
