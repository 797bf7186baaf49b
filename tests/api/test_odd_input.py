"""Input that no well-behaved caller sends: refused with its reason, and nothing breaks."""

import json
from collections.abc import Callable

import azure.functions as func
import pytest

from shared.api.account_documents import account_response
from shared.api.body import parse_json
from shared.api.http import respond
from shared.api.messages import parse_message
from shared.api.metering import submissions_response
from shared.api.problem import Response
from shared.api.request import Request
from shared.api.usage import ingest, results_response
from shared.domain.errors import FieldError, InvalidInput
from shared.ports import Versioned
from shared.services.take_message import Unusable
from tests.services.world import World

HALF = "\ud800"


@pytest.fixture
def world() -> World:
    world = World()
    world.account("ada")
    return world


def event(world: World, **changes: object) -> dict[str, object]:
    moment = world.clock.at.isoformat()
    good: dict[str, object] = {"id": "1", "account": "ada", "meter": "tokens", "time": moment}
    return {**good, "data": {"n": 5}, **changes}


def halves(world: World) -> dict[str, bytes]:
    """Bodies with half a surrogate pair where a careless reader does not look."""
    bodies: dict[str, object] = {
        "a field": [event(world), event(world, **{f"x{HALF}": 1})],
        "an id that is too long": event(world, id=HALF * 300),
        "a name beside events": {"events": [event(world)], HALF: 1},
        "a name of data": event(world, data={HALF: 1}),
        "a code": event(world, account=f"a{HALF}"),
        "text inside something unknown": event(world, more=[{"x": [HALF]}]),
    }
    written = {where: json.dumps(body).encode() for where, body in bodies.items()}
    written["a name that stands twice"] = b'[{"\\ud800":1,"\\ud800":2}]'
    written["raw bytes"] = b'{"id":"\xed\xa0\x80"}'
    return written


def post(world: World, body: bytes) -> func.HttpResponse:
    def handle(request: Request) -> Response:
        return results_response(ingest(world.process.ingest, parse_json(request.body), None))

    return respond(func.HttpRequest("POST", "http://x/api/usage", body=body), handle)


@pytest.mark.parametrize("where", halves(World()))
def test_half_a_surrogate_pair_is_refused_with_one_reason(world: World, where: str) -> None:
    response = post(world, halves(world)[where])
    assert response.status_code == 400
    answer = json.loads(response.get_body())
    assert "UTF-8" in answer["detail"] or "surrogate" in answer["detail"]


@pytest.mark.parametrize("where", halves(World()))
def test_a_message_with_half_a_surrogate_pair_is_kept(world: World, where: str) -> None:
    items = parse_message(halves(world)[where])
    assert world.process.take_message(items) == {"invalid": 1}
    (kept,) = world.refusals.all()
    assert kept.body.encode()
    assert all((fault.pointer + fault.message).encode() for fault in kept.errors)


def test_whatever_was_refused_is_kept_as_text(world: World) -> None:
    odd = Unusable(f"a{HALF}b", (FieldError("", "is odd"),))
    assert world.process.take_message([odd]) == {"invalid": 1}
    assert [kept.body for kept in world.refusals.all()] == ["a?b"]


def test_whole_pairs_and_escaped_backslashes_are_text() -> None:
    text = b'{"a": "\\ud83d\\ude00", "b": "\\\\ud800", "c": "\\u00e9"}'
    assert parse_json(text) == {"a": "\U0001f600", "b": "\\ud800", "c": "\u00e9"}


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "NaN"])
def test_escapes_hide_no_other_fault(number: str) -> None:
    with pytest.raises(InvalidInput, match=r"number|digits"):
        parse_json(f'["\\u00e9", {number}]'.encode())


@pytest.mark.parametrize(
    "depth", [pytest.param(900, id="900"), pytest.param(50_000, id="beyond any stack")]
)
def test_deep_nesting_is_refused(world: World, depth: int) -> None:
    nested = f'"\\u00e9", {"[" * depth}{"]" * depth}'
    body = json.dumps(event(world)).encode()[:-1] + f', "z": [{nested}]}}'.encode()
    assert post(world, body).status_code == 400
    assert world.process.take_message(parse_message(body)) == {"invalid": 1}


# --- answers


def get(handle: Callable[[Request], Response], **query: str) -> int:
    req = func.HttpRequest("GET", "http://x/api", params=query, body=b"")
    return int(respond(req, handle).status_code)


@pytest.mark.parametrize("code", ["a/b", "a b", "ä", "a" * 65, "#"])
def test_what_cannot_be_a_code_names_no_account(world: World, code: str) -> None:
    queries = world.process.queries
    assert get(lambda _: account_response(Versioned(queries.account(code), "v"))) == 404
    assert get(lambda request: submissions_response(queries, request.query), account=code) == 404
    assert world.journal.count("accounts.load") == 0


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_out_of_range_is_refused(world: World, since: str) -> None:
    queries = world.process.queries

    def handle(request: Request) -> Response:
        return submissions_response(queries, request.query)

    assert get(handle, account="ada", since=since) == 400


def test_an_answer_that_cannot_be_written_is_a_problem_all_the_same() -> None:
    req = func.HttpRequest("GET", "http://x/api", body=b"")
    response = respond(req, lambda _: Response(200, HALF))
    assert response.status_code == 500
    assert response.mimetype == "application/problem+json"
    assert response.headers["x-ms-correlationid"]
