"""Jobs that aggregate again, on the wire."""

import json

import pytest

from shared.api.problem import Response, UnsupportedMedia
from shared.api.reaggregations import job_response, jobs_response, read_order, started_response
from shared.api.request import Request
from shared.domain.errors import InvalidInput
from shared.services.run_reaggregation import ReaggregationOrder
from tests.services.world import World


def request(body: str, kind: str = "application/json") -> Request:
    return Request("POST", {"content-type": kind}, {}, {}, body.encode())


def shown(response: Response) -> object:
    return json.loads(response.body)


def test_an_order_says_what_it_wants_or_nothing() -> None:
    assert read_order(request("", "")) == ReaggregationOrder()
    order = read_order(request('{"since": "2026-03-01T00:00:00Z", "accounts": ["acme"]}'))
    assert (order.since is not None, order.until, order.accounts) == (True, None, ("acme",))
    with pytest.raises(InvalidInput) as raised:
        read_order(request('{"sinse": 1, "accounts": "acme"}'))
    assert {fault.pointer for fault in raised.value.fields} == {"/sinse", "/accounts"}
    with pytest.raises(UnsupportedMedia):
        read_order(request("{}", "text/plain"))


def test_a_job_from_its_start_to_its_end() -> None:
    world = World()
    world.account("acme")
    service = world.process.run_reaggregation
    begun = started_response(service.start(ReaggregationOrder(), "ada"))
    id_ = "20260302T100000000000Z"
    assert (begun.status, begun.headers) == (202, {"Location": f"/api/reaggregations/{id_}"})
    running = {
        "id": id_,
        "state": "running",
        "started": "2026-03-02T10:00:00Z",
        "by": "ada",
        "first": "2026-01-21",
        "last": "2026-03-02",
        "accounts": None,
        "finished": None,
        "progress": {"shards": 16, "shardsDone": 0, "accountsDone": 0},
        "result": {"accountsChanged": 0, "daysChanged": 0, "failed": {}},
    }
    assert shown(begun) == running
    for message in world.messages.take("metering"):
        service.take(json.loads(message.body))
    ended = running | {
        "state": "finished",
        "finished": "2026-03-02T10:00:00Z",
        "progress": {"shards": 16, "shardsDone": 16, "accountsDone": 1},
    }
    assert shown(job_response(service.status(id_))) == ended
    assert shown(jobs_response(service.recent())) == {"reaggregations": [ended]}
