"""Signing keys: rotation, outages, and no stampede."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.errors import InvalidInput, Unavailable
from shared.identity.keys import FRESH, PAUSE, STALE, SigningKeys, fetch_keys, parse_keys
from tests.identity.tokens import KEYS_URL, Published, Seconds, private_key, published, unpadded
from tests.marketplace.stub import Drop, Reply, running_stub


def test_keys_are_fetched_when_first_needed_and_kept() -> None:
    source = Published()
    keys = SigningKeys(KEYS_URL, source.fetch, Seconds())
    assert source.fetches == 0
    for _ in range(3):
        key = keys.find("k1")
        assert key is not None
        assert key.key.public_numbers() == private_key("k1").public_key().public_numbers()
    assert source.fetches == 1


def test_a_new_key_is_found_by_a_new_fetch() -> None:
    source, time = Published(), Seconds()
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    assert keys.find("k1")
    time.at += PAUSE
    source.keys = [published("k1"), published("k2")]
    assert keys.find("k2")
    assert source.fetches == 2


def test_unknown_ids_cause_one_fetch_a_minute_at_most() -> None:
    source, time = Published(), Seconds()
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    for second in range(181):
        assert keys.find(f"made-up-{second}") is None
        time.at += 1
    assert source.fetches == 1 + 180 // int(PAUSE)
    assert keys.find("k1")


def test_withdrawn_keys_go_within_hours() -> None:
    source, time = Published(), Seconds()
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    assert keys.find("k1")
    source.keys = [published("k2")]
    time.at += FRESH - 1
    assert keys.find("k1")
    time.at += 1
    assert keys.find("k1") is None
    assert keys.find("k2")


def test_an_outage_is_survived_for_a_day() -> None:
    source, time = Published(), Seconds()
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    assert keys.find("k1")
    source.error = Unavailable("away")
    time.at += FRESH
    assert keys.find("k1")
    with pytest.raises(Unavailable):
        keys.find("k2")
    time.at += STALE - FRESH
    with pytest.raises(Unavailable):
        keys.find("k1")
    source.error = None
    time.at += 5
    assert keys.find("k1")


def test_a_failed_fetch_is_not_repeated_at_once() -> None:
    source, time = Published(error=Unavailable("away")), Seconds()
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    for _ in range(5):
        with pytest.raises(Unavailable):
            keys.find("k1")
    assert source.fetches == 1
    time.at += 5
    source.error = None
    assert keys.find("k1")


def test_a_broken_key_set_does_not_replace_a_good_one() -> None:
    source, time = Published(), Seconds()
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    assert keys.find("k1")
    source.keys = []
    time.at += FRESH
    assert keys.find("k1")
    assert source.fetches == 2


def test_many_threads_fetch_once() -> None:
    source, gate = Published(), threading.Event()

    def fetch(url: str) -> bytes:
        gate.wait(5)
        return source.fetch(url)

    keys = SigningKeys(KEYS_URL, fetch)
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(keys.find, "k1") for _ in range(8)]
        gate.set()
        assert all(each.result() for each in found)
    assert source.fetches == 1


def test_who_has_a_key_does_not_wait_for_anothers_fetch() -> None:
    source, time = Published(), Seconds()
    entered, gate = threading.Event(), threading.Event()
    waited: list[bool] = []
    keys = SigningKeys(KEYS_URL, source.fetch, time)
    assert keys.find("k1")

    def slow(url: str) -> bytes:
        entered.set()
        waited.append(gate.wait(5))
        return source.fetch(url)

    keys._fetch = slow
    time.at += FRESH
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(keys.find, "k1")
        assert entered.wait(5)
        assert keys.find("k1")
        gate.set()
        assert fetching.result()
    assert waited == [True]


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize(
    "odd",
    [
        published("k2", use="enc"),
        published("k2", kty="EC"),
        published("k2", n=5),
        published("k2", n="!!"),
        published("k2", n="AQAB"),
        published("k2", n=unpadded(2**1024 - 1)),
        published("k2", e=""),
        published("k2", kid=None),
        {"kty": "oct", "kid": "k2", "k": "c2VjcmV0"},
        "k2",
    ],
)
def test_odd_keys_are_left_out(odd: object) -> None:
    assert set(parse_keys(key_set(odd, published("k1")))) == {"k1"}
    with pytest.raises(ValueError, match="no signing key"):
        parse_keys(key_set(odd))


def test_of_a_private_key_only_the_public_half_is_used() -> None:
    (key,) = parse_keys(key_set(published("k1", d="AQAB", p="AQ", q="AQ"))).values()
    assert not hasattr(key.key, "private_numbers")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 5}', b"<html>", b"\xff"])
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_keys(body)


@pytest.mark.parametrize("url", ["http://login.example/keys", "login.example", "ftp://127.0.0.1"])
def test_keys_come_encrypted(url: str) -> None:
    with pytest.raises(InvalidInput, match="https"):
        SigningKeys(url)


def test_keys_are_fetched_over_http() -> None:
    with running_stub() as stub:
        stub.answer(Reply(200, key_set(published("k1")).decode()))
        assert SigningKeys(f"{stub.url}/t/keys").find("k1")
        assert [asked.path for asked in stub.asked] == ["/t/keys"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404),
        Reply(302, headers={"Location": "/elsewhere"}),
        Reply(500),
        Drop(),
        Reply(200, "x" * (1024 * 1024 + 1)),
        Reply(200, "cut", claimed_length=500),
    ],
)
def test_a_failing_fetch_is_unavailable(reply: Reply | Drop) -> None:
    with running_stub() as stub:
        stub.answer(reply)
        with pytest.raises(Unavailable):
            fetch_keys(stub.url)
        assert len(stub.asked) == 1
