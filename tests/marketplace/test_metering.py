"""What a batch of usage answers, item by item, whatever the other side makes of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from shared.domain.ids import AccountCode, DimensionId, Resource
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Expired,
    Refused,
    Submission,
    Unknown,
)
from shared.marketplace.http import Timeouts
from shared.marketplace.metering import MAX_BATCH, MarketplaceMetering
from shared.marketplace.transport import Transport
from tests.marketplace.stub import Drop, FixedTokens, Reply, Silence, Stub

HOUR = datetime(2026, 11, 22, 9, tzinfo=UTC)
RESOURCE = "c0ffee00-0000-4000-8000-000000000001"
URI = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Solutions/applications/a"


def usage(number: int = 0, resource: str = RESOURCE, quantity: str = "5") -> Submission:
    key = LedgerKey(Resource(resource), DimensionId("usage_fee"))
    hour = HOUR - timedelta(hours=number)
    start = hour + timedelta(minutes=7, microseconds=250)
    return Submission(key, AccountCode("acme"), hour, start, "standard", Decimal(quantity))


def echo(submission: Submission, status: str, **more: object) -> dict[str, object]:
    return {
        "status": status,
        "resourceId": submission.key.resource,
        "quantity": 5.0,
        "dimension": submission.key.dimension,
        "effectiveStartTime": submission.effective_start.isoformat(),
        "planId": submission.plan,
        **more,
    }


def accepted_message(submission: Submission, quantity: object) -> dict[str, object]:
    message = echo(submission, "Duplicate", quantity=quantity, usageEventId="e1")
    return {"additionalInfo": {"acceptedMessage": message}, "code": "Conflict"}


def batch(*items: object) -> Reply:
    return Reply(200, json.dumps({"count": len(items), "result": items}))


def send(stub: Stub, *submissions: Submission) -> list[Answer]:
    timeouts = Timeouts(connect=2, read=0.2, total=5)
    transport = Transport(stub.url, FixedTokens(), timeouts=timeouts)
    return MarketplaceMetering(transport).send(submissions)


ONE = usage()


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        pytest.param(
            echo(ONE, "Accepted", usageEventId="e1", quantity=4.5),
            Accepted(Decimal("4.5"), "e1"),
            id="accepted-with-what-was-recorded",
        ),
        pytest.param(
            echo(ONE, "Accepted", quantity=None),
            Unknown("accepted without a quantity"),
            id="accepted-without-quantity",
        ),
        pytest.param(
            echo(ONE, "Duplicate", error=accepted_message(ONE, 3.25)),
            Duplicate(Decimal("3.25"), "e1"),
            id="duplicate-with-what-the-marketplace-holds",
        ),
        pytest.param(
            echo(ONE, "Duplicate"), Unknown("duplicate without a quantity"), id="bare-duplicate"
        ),
        pytest.param(
            echo(ONE, "Duplicate", error=accepted_message(ONE, 0)),
            Unknown("duplicate without a quantity"),
            id="duplicate-of-nothing",
        ),
        pytest.param(
            echo(ONE, "Duplicate", error=accepted_message(usage(3), 5)),
            Unknown("duplicate of another hour"),
            id="duplicate-of-another-hour",
        ),
        pytest.param(echo(ONE, "Expired"), Expired(), id="expired"),
        *[
            pytest.param(echo(ONE, status), Refused(status), id=status)
            for status in (
                "ResourceNotFound",
                "ResourceNotAuthorized",
                "ResourceNotActive",
                "InvalidDimension",
                "InvalidQuantity",
                "BadArgument",
            )
        ],
        pytest.param(echo(ONE, "Error"), Unknown("status Error"), id="error"),
        pytest.param(echo(ONE, "Novel"), Unknown("status Novel"), id="undocumented"),
        pytest.param(echo(ONE, "<b>x</b>"), Unknown("no status"), id="no-word"),
        pytest.param({**echo(ONE, ""), "status": 7}, Unknown("no status"), id="no-text"),
        pytest.param(echo(usage(1), "Accepted"), Unknown("no answer"), id="another-hour"),
        pytest.param(
            echo(ONE, "Accepted", dimension="other"), Unknown("no answer"), id="another-dimension"
        ),
        pytest.param(
            echo(ONE, "Accepted", resourceId="c0ffee00-0000-4000-8000-000000000002"),
            Unknown("no answer"),
            id="another-resource",
        ),
        pytest.param(
            echo(ONE, "Accepted", effectiveStartTime=None), Unknown("no answer"), id="no-hour"
        ),
        pytest.param(
            echo(ONE, "Accepted", effectiveStartTime="2026-11-22T09:00:00"),
            Accepted(Decimal(5)),
            id="same-hour-other-minute",
        ),
        pytest.param(
            echo(ONE, "Accepted", resourceId=RESOURCE.upper()), Accepted(Decimal(5)), id="case"
        ),
        pytest.param("Accepted", Unknown("no answer"), id="no-object"),
    ],
)
def test_item(stub: Stub, item: object, answer: Answer) -> None:
    stub.answer(batch(item))
    assert send(stub, ONE) == [answer]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        *[
            pytest.param(
                Reply(status),
                Refused(f"HTTP {status}", malformed_call=status == 400),
                id=str(status),
            )
            for status in (400, 401, 403, 429)
        ],
        *[
            pytest.param(Reply(status), Unknown(f"HTTP {status}"), id=str(status))
            for status in (302, 404, 408, 409, 413, 500, 502, 503, 504)
        ],
        pytest.param(Drop(), Unknown("ConnectionError"), id="dropped"),
        pytest.param(Silence(), Unknown("ReadTimeout"), id="silent"),
        pytest.param(Reply(200, "{"), Unknown("the answer is not JSON"), id="garbled"),
        pytest.param(
            Reply(200, '{"result"', claimed_length=99), Unknown("ChunkedEncodingError"), id="cut"
        ),
        *[
            pytest.param(Reply(200, body), Unknown("no answer"), id=f"shape-{body}")
            for body in ("", "null", "[]", "{}", '{"result": null}', '{"result": {"0": 1}}')
        ],
    ],
)
def test_a_whole_call_answers_every_item(
    stub: Stub, reply: Reply | Drop | Silence, answer: Answer
) -> None:
    stub.answer(reply)
    assert send(stub, usage(0), usage(1), usage(2)) == [answer] * 3


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_answers_are_matched_by_what_they_echo(stub: Stub, order: tuple[int, ...]) -> None:
    items = [
        echo(usage(0), "Accepted"),
        echo(usage(1), "Expired"),
        echo(usage(2), "InvalidDimension"),
    ]
    stub.answer(batch(*[items[index] for index in order]))
    answers = send(stub, usage(0), usage(1), usage(2))
    assert answers == [Accepted(Decimal(5)), Expired(), Refused("InvalidDimension")]


def test_a_missing_item_is_unknown_and_a_foreign_one_is_nobodys(stub: Stub) -> None:
    stub.answer(batch(echo(usage(1), "Accepted"), echo(usage(9), "Accepted")))
    answers = send(stub, usage(0), usage(1))
    assert answers == [Unknown("no answer"), Accepted(Decimal(5))]


def test_two_answers_for_one_hour_count_only_when_they_agree(stub: Stub) -> None:
    stub.answer(batch(echo(ONE, "Accepted"), echo(ONE, "Expired"), echo(ONE, "Accepted")))
    assert send(stub, ONE) == [Unknown("contradictory answers")]
    stub.answer(batch(echo(ONE, "Expired"), echo(ONE, "Expired")))
    assert send(stub, ONE) == [Expired()]


def test_what_cannot_be_sent_harms_no_other(stub: Stub) -> None:
    stub.answer(batch(echo(usage(0), "Accepted"), echo(usage(3), "Accepted")))
    long = usage(1, quantity="1.234567890123456")
    again = replace(usage(0), quantity=Decimal(9))
    answers = send(stub, usage(0), long, again, usage(3))
    assert answers == [
        Accepted(Decimal(5)),
        Refused("the quantity has more than 15 digits"),
        Refused("the hour stands in the batch twice"),
        Accepted(Decimal(5)),
    ]
    (asked,) = stub.asked
    assert len(json.loads(asked.body)["request"]) == 2


def test_nothing_to_send_makes_no_call(stub: Stub) -> None:
    assert send(stub) == []
    assert send(stub, usage(quantity="0.12345678901234567")) == [
        Refused("the quantity has more than 15 digits")
    ]
    assert stub.asked == []


def test_a_call_takes_25(stub: Stub) -> None:
    many = [usage(number) for number in range(MAX_BATCH)]
    stub.answer(batch(*[echo(each, "Accepted") for each in many]))
    assert send(stub, *many) == [Accepted(Decimal(5))] * 25
    assert len(stub.asked) == 1
    with pytest.raises(ValueError, match="at most 25"):
        send(stub, *many, usage(25))


def test_a_managed_application_is_named_by_its_uri(stub: Stub) -> None:
    app = usage(resource=URI)
    item = echo(app, "Accepted", resourceId=None, resourceUri=URI.upper())
    stub.answer(batch(item))
    assert send(stub, app) == [Accepted(Decimal(5))]
    (sent,) = json.loads(stub.asked[0].body)["request"]
    assert sent["resourceUri"] == URI
    assert "resourceId" not in sent


def test_without_a_connection_nothing_was_recorded(stub: Stub) -> None:
    class NoTokens(FixedTokens):
        def bearer(self) -> str:
            from shared.domain.errors import Unavailable

            raise Unavailable("Entra is away")

    metering = MarketplaceMetering(Transport(stub.url, NoTokens()))
    assert metering.send([ONE]) == [Refused("not sent: no token: Entra is away")]
    assert stub.asked == []
