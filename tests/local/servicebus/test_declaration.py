"""The declaration of queues: the deployed one is understood, faults are named where they are."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from local.servicebus.declaration import (
    DeclarationError,
    load_queues,
    parse_duration,
    parse_queues,
)
from local.servicebus.entity.config import QueueConfig

DEPLOYED = Path(__file__).parents[3] / "infra" / "bicep" / "queues.json"


def test_the_deployed_declaration_is_understood() -> None:
    declared = {entry["name"]: entry["properties"] for entry in json.loads(DEPLOYED.read_text())}
    queues = {queue.name: queue for queue in load_queues(DEPLOYED)}
    assert queues.keys() == declared.keys()
    assert len(queues) > 0
    for name, queue in queues.items():
        assert queue.max_delivery_count == declared[name]["maxDeliveryCount"]
        assert queue.requires_session == declared[name]["requiresSession"]


def test_what_is_left_out_has_the_defaults_of_the_service() -> None:
    (queue,) = parse_queues([{"name": "q"}])
    assert queue == QueueConfig(
        "q",
        lock_duration=timedelta(minutes=1),
        max_delivery_count=10,
        requires_session=False,
        duplicate_window=None,
        time_to_live=None,
        dead_lettering_on_expiration=False,
    )


def test_every_property_is_honoured() -> None:
    (queue,) = parse_queues(
        [
            {
                "name": "q",
                "properties": {
                    "lockDuration": "PT45S",
                    "maxDeliveryCount": 3,
                    "requiresSession": True,
                    "requiresDuplicateDetection": True,
                    "duplicateDetectionHistoryTimeWindow": "PT30S",
                    "defaultMessageTimeToLive": "P1DT1H",
                    "deadLetteringOnMessageExpiration": True,
                    "maxSizeInMegabytes": 1024,
                },
            }
        ]
    )
    assert queue == QueueConfig(
        "q",
        lock_duration=timedelta(seconds=45),
        max_delivery_count=3,
        requires_session=True,
        duplicate_window=timedelta(seconds=30),
        time_to_live=timedelta(days=1, hours=1),
        dead_lettering_on_expiration=True,
    )


@pytest.mark.parametrize(
    ("properties", "window"),
    [
        ({"requiresDuplicateDetection": True}, timedelta(minutes=10)),
        ({"duplicateDetectionHistoryTimeWindow": "PT1M"}, None),
    ],
)
def test_the_duplicate_window_counts_only_with_detection(
    properties: dict[str, object], window: timedelta | None
) -> None:
    (queue,) = parse_queues([{"name": "q", "properties": properties}])
    assert queue.duplicate_window == window


def test_all_faults_are_reported_at_once_with_their_places() -> None:
    with pytest.raises(DeclarationError) as caught:
        parse_queues(
            [
                {"name": "a", "properties": {"lockDuration": "PT6M", "forwardTo": "b"}},
                {"name": "A", "properties": {"maxDeliveryCount": 0, "requiresSession": "yes"}},
                {"name": "-", "propertys": {}},
                {"name": "b", "properties": {"maxDeliveryCount": True}},
                {"name": "c", "properties": []},
                "d",
            ]
        )
    assert str(caught.value).splitlines() == [
        "/0/properties/lockDuration: must be from 0:00:05 to 0:05:00",
        "/0/properties/forwardTo: is not a property the local broker knows how to honour",
        "/1/name: 'A' is declared twice",
        "/1/properties/maxDeliveryCount: must be from 1 to 2000",
        "/1/properties/requiresSession: must be true or false, not 'yes'",
        "/2/propertys: is not known; a queue has 'name' and 'properties'",
        "/2/name: must be 1 to 260 letters, digits, '.', '_', '-' or '/'",
        "/3/properties/maxDeliveryCount: must be a whole number, not True",
        "/4/properties: must be an object",
        "/5: must be an object",
    ]


@pytest.mark.parametrize("document", [None, {}, []])
def test_a_declaration_without_queues_is_refused(document: object) -> None:
    with pytest.raises(DeclarationError, match="non-empty array"):
        parse_queues(document)


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    path.write_text("[")
    with pytest.raises(DeclarationError, match=r"queues\.json: not JSON"):
        load_queues(path)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT1M30S", timedelta(seconds=90)),
        ("P14D", timedelta(days=14)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("P10675199DT2H48M5.4775807S", timedelta(10_675_199, 10_085, 477_581)),
        ("PT9999999999999H", timedelta.max),
    ],
)
def test_durations_are_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "1M", "P1M", "P1W", "-PT1S", "PT1S ", 60])
def test_other_texts_are_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"lock_duration": timedelta()},
        {"time_to_live": timedelta(seconds=-1)},
        {"duplicate_window": timedelta()},
        {"max_delivery_count": 0},
    ],
)
def test_a_queue_that_could_not_work_cannot_be_configured(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        QueueConfig(**{"name": "q", **change})  # type: ignore[arg-type] # the point of the test
