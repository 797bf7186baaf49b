"""What every store of operations, of the audit trail and of checkpoints keeps to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.audit import AuditEntry
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import Decision, Operation, OperationRecord, Origin
from shared.ports import AuditTrail, Checkpoints, Operations
from shared.storage.audit_trail import TableAuditTrail
from shared.storage.checkpoints import TableCheckpoints
from shared.storage.subscription_operations import TableOperations
from tests.contract.samples import NOON, at
from tests.fakes.lifecycle import FakeAuditTrail, FakeCheckpoints, FakeOperations

SUB = SubscriptionId("6f1c0000-0000-4000-8000-000000000001")
OTHER = SubscriptionId("6f1c0000-0000-4000-8000-000000000002")
ODD = "org:6f1c0000-0000-4000-8000-00000000000a,6f1c0000/#?\\ü"


def record(id_: str = "op", subscription: SubscriptionId = SUB) -> OperationRecord:
    operation = Operation(id_, subscription, "ChangePlan", "InProgress", "gold", 7, NOON, "offer")
    return OperationRecord(operation, at(13), Origin.PUBLISHER, Decision(False, "größe"), by="me")


@pytest.fixture(params=["fake", "azurite"])
def operations(request: pytest.FixtureRequest) -> Operations:
    if request.param == "fake":
        return FakeOperations()
    return TableOperations(request.getfixturevalue("tables"))


@pytest.fixture(params=["fake", "azurite"])
def audit(request: pytest.FixtureRequest) -> AuditTrail:
    if request.param == "fake":
        return FakeAuditTrail()
    return TableAuditTrail(request.getfixturevalue("tables"))


@pytest.fixture(params=["fake", "azurite"])
def checkpoints(request: pytest.FixtureRequest) -> Checkpoints:
    if request.param == "fake":
        return FakeCheckpoints()
    return TableCheckpoints(request.getfixturevalue("tables"))


def test_nothing_is_known_at_first(operations: Operations) -> None:
    assert operations.get(SUB, "op") is None
    assert list(operations.of(SUB)) == []
    assert list(operations.unfinished()) == []


def test_an_operation_is_stored_once_for_its_id(operations: Operations) -> None:
    first = record()
    assert operations.add(first) == first
    second = replace(first, decision=Decision(True), received=at(14))
    assert operations.add(second) == first
    assert operations.get(SUB, "op") == first


def test_the_same_id_of_another_subscription_is_another_operation(operations: Operations) -> None:
    mine, theirs = record(), record(subscription=OTHER)
    operations.add(mine)
    assert operations.add(theirs) == theirs
    assert list(operations.of(SUB)) == [mine]


@pytest.mark.parametrize("id_", [ODD, "x" * 256, "..", "|"])
def test_ids_of_any_form(operations: Operations, id_: str) -> None:
    operations.add(record(id_))
    assert operations.get(SUB, id_) == record(id_)
    assert [each.operation.id for each in operations.unfinished()] == [id_]


def test_what_is_done_is_not_unfinished(operations: Operations) -> None:
    operations.add(record("a"))
    operations.add(record("b"))
    operations.add(replace(record("c"), done=True))
    operations.save(replace(record("a"), done=True))
    assert [each.operation.id for each in operations.unfinished()] == ["b"]
    assert {each.operation.id for each in operations.of(SUB)} == {"a", "b", "c"}
    operations.save(record("a"))
    assert {each.operation.id for each in operations.unfinished()} == {"a", "b"}


ENTRY = AuditEntry("acme", NOON, "marketplace", "status", {"before": "Subscribed", "after": "ü"})


def test_an_entry_is_kept_once(audit: AuditTrail) -> None:
    audit.append([ENTRY])
    audit.append([ENTRY, ENTRY])
    assert list(audit.of("acme")) == [ENTRY]
    assert list(audit.of("another")) == []


def test_entries_come_in_the_order_of_time(audit: AuditTrail) -> None:
    later = replace(ENTRY, at=NOON + timedelta(microseconds=1))
    earlier = replace(ENTRY, at=NOON - timedelta(days=400))
    audit.append([later, ENTRY, earlier, replace(ENTRY, subject="a/b#c?")])
    assert list(audit.of("acme")) == [earlier, ENTRY, later]
    assert [entry.subject for entry in audit.of("a/b#c?")] == ["a/b#c?"]


def test_entries_of_all_subjects_come_newest_first(audit: AuditTrail) -> None:
    months = [replace(ENTRY, at=NOON - timedelta(days=30 * n), subject=f"s{n}") for n in range(4)]
    audit.append(months[::-1])
    since, until = months[2].at, months[0].at
    assert list(audit.between(since, until)) == [months[1], months[2]]
    assert list(audit.between(since, until + timedelta(microseconds=1))) == months[:3]
    assert list(audit.between(until, since)) == []


def test_a_checkpoint_is_the_moment_noted_last(checkpoints: Checkpoints) -> None:
    assert checkpoints.read("one") is None
    checkpoints.note("one", NOON + timedelta(microseconds=7))
    checkpoints.note("one", NOON)
    checkpoints.note("two", at(13))
    assert (checkpoints.read("one"), checkpoints.read("two")) == (NOON, at(13))
