"""Faults over HTTP: what the caller sees, and whether the request had its effect."""

import time
from datetime import timedelta

import pytest
import requests

from tests.local.marketplace.site import Json, Site, event

SINGLE, BATCH = "/api/usageEvent", "/api/batchUsageEvent"
HOUR = timedelta(hours=1)


@pytest.fixture
def item(site: Site) -> Json:
    """A usage event that would be accepted."""
    resource = site.subscribed()
    return event(resource, site.advance(hours=3) - HOUR)


def last(site: Site) -> Json:
    """The last metering request as the simulator saw it."""
    found: Json = site.control("GET", "/requests?target=metering").json()[-1]
    return found


@pytest.mark.parametrize(
    ("kind", "rule", "status", "accepted"),
    [
        ("throttle", {"seconds": 7}, 429, 0),
        ("serverError", {}, 503, 0),
        ("serverError", {"status": 500, "applied": True}, 500, 1),
        ("unauthorized", {}, 401, 0),
        ("forbidden", {}, 403, 0),
    ],
)
def test_answers_that_are_errors(
    site: Site, item: Json, kind: str, rule: Json, status: int, accepted: int
) -> None:
    site.fault(kind, **rule)
    answer = site.call("POST", SINGLE, item)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("7" if kind == "throttle" else None)
    assert answer.headers["x-ms-requestid"]
    assert len(site.accepted()) == accepted
    entry = last(site)
    assert (entry["fault"], entry["applied"], entry["answered"]) == (kind, bool(accepted), True)
    assert site.call("POST", SINGLE, item).status_code == (409 if accepted else 200)


@pytest.mark.parametrize(("kind", "accepted"), [("dropBefore", 0), ("dropAfter", 1)])
def test_dropped_connections(site: Site, item: Json, kind: str, accepted: int) -> None:
    site.fault(kind)
    with pytest.raises(requests.ConnectionError):
        site.call("POST", SINGLE, item)
    assert len(site.accepted()) == accepted
    entry = last(site)
    assert (entry["fault"], entry["applied"], entry["answered"]) == (kind, bool(accepted), False)
    assert entry["status"] == (200 if accepted else 0)
    assert site.call("POST", SINGLE, item).status_code == (409 if accepted else 200)


@pytest.mark.parametrize(("kind", "accepted"), [("timeoutBefore", 0), ("timeoutAfter", 1)])
def test_timeouts(site: Site, item: Json, kind: str, accepted: int) -> None:
    site.fault(kind, seconds=5)
    with pytest.raises(requests.ReadTimeout):
        site.call("POST", SINGLE, item, timeout=0.3)
    assert len(site.accepted()) == accepted
    assert site.call("POST", SINGLE, item).status_code == (409 if accepted else 200)


def test_a_silent_connection_ends_after_its_seconds(site: Site, item: Json) -> None:
    site.fault("timeoutAfter", seconds=0.2)
    begun = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        site.call("POST", SINGLE, item)
    assert 0.2 <= time.monotonic() - begun < 5


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["partialBatch", "itemError"])
def test_struck_batch_items(site: Site, item: Json, kind: str, applied: bool) -> None:
    now = site.now()
    items = [event(item["resourceId"], now - 0.5 * HOUR * n) for n in (1, 3, 5)]
    site.fault(kind, items=2, applied=applied)
    body = site.call("POST", BATCH, {"request": items}).json()
    statuses = sorted(found["status"] for found in body["result"])
    missing = kind == "partialBatch"
    assert statuses == (["Accepted"] if missing else ["Accepted", "Error", "Error"])
    assert body["count"] == len(statuses)
    assert len(site.accepted()) == (3 if applied else 1)


def test_delayed_application(site: Site, item: Json) -> None:
    site.fault("delayed", seconds=600)
    with pytest.raises(requests.ConnectionError):
        site.call("POST", SINGLE, item)
    site.advance(seconds=599)
    assert site.accepted() == []
    site.advance(seconds=1)
    (held,) = site.accepted()
    assert held["quantity"] == 1.0
    entry = last(site)
    assert (entry["fault"], entry["applied"], entry["status"]) == ("delayed", True, 200)


def test_a_delayed_event_loses_against_its_repetition(site: Site, item: Json) -> None:
    site.fault("delayed", seconds=600)
    with pytest.raises(requests.ConnectionError):
        site.call("POST", SINGLE, item)
    assert site.call("POST", SINGLE, item).status_code == 200
    site.advance(seconds=600)
    assert len(site.accepted()) == 1
    assert last(site)["status"] == 409


def test_faults_of_the_other_targets(site: Site) -> None:
    site.fault("throttle", "fulfillment", seconds=1)
    assert site.call("GET", "/api/saas/subscriptions").status_code == 429
    assert site.call("GET", "/api/saas/subscriptions").status_code == 200
    site.fault("serverError", "entra", status=502)
    assert site.token_v2("a", "b", "c").status_code == 502
    assert site.token_v2("a", "b", "c").status_code == 400


def test_listing_and_withdrawing(site: Site) -> None:
    first = site.fault("throttle", count=None, probability=0.5, match="batch")
    second = site.fault("forbidden")
    assert site.control("GET", "/faults").json() == [first, second]
    assert (first["probability"], first["match"], first["count"]) == (0.5, "batch", None)
    site.control("DELETE", f"/faults/{first['id']}")
    assert site.control("GET", "/faults").json() == [second]
    site.control("DELETE", "/faults")
    assert site.control("GET", "/faults").json() == []
    url = f"{site.url}/control/faults/{first['id']}"
    assert site.session.delete(url, timeout=5).status_code == 404
