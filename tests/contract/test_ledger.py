"""What every ledger keeps to."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.errors import ConcurrentUpdate, TooLarge
from shared.domain.ids import AccountCode
from shared.domain.metering.ledger import Refund
from shared.domain.metering.submission import Submission, SubmissionState
from shared.ports import (
    AgendaEntry,
    DropAgenda,
    Ledger,
    LedgerWrite,
    PutAgenda,
    PutRefund,
    PutRow,
    PutSubmission,
    Versioned,
)
from shared.storage.ledger import TableLedger
from tests.contract.samples import (
    ADA,
    ARM,
    BOB,
    GUID,
    LONG,
    OTHER_SHARD,
    SHARD,
    at,
    ledger_key,
    ledger_row,
    submission,
)
from tests.fakes.ledger import FakeLedger


@pytest.fixture(params=["fake", "azurite"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "fake":
        return FakeLedger()
    return TableLedger(request.getfixturevalue("tables"))


def by_hour(found: list[Versioned[Submission]]) -> list[Submission]:
    return sorted((one.value for one in found), key=lambda one: one.hour)


def of_guid(ledger: Ledger) -> list[Submission]:
    return sorted(ledger.submissions(SHARD, GUID, at(0)), key=lambda one: one.hour)


def test_nothing_is_there_at_first(ledger: Ledger) -> None:
    assert ledger.rows(SHARD, GUID) == {}
    assert ledger.unsettled(SHARD) == []
    assert ledger.agenda(SHARD, at(23)) == []
    assert of_guid(ledger) == []


def test_a_row_and_its_submission_are_written_together(ledger: Ledger) -> None:
    row, sent = ledger_row(), submission()
    etags = ledger.write(SHARD, [PutRow(row, None), PutSubmission(sent, None)])
    assert ledger.rows(SHARD, GUID) == {row.key: Versioned(row, etags[0])}
    assert ledger.unsettled(SHARD) == [Versioned(sent, etags[1])]
    assert of_guid(ledger) == [sent]
    assert ledger.rows(OTHER_SHARD, GUID) == {}
    assert ledger.unsettled(OTHER_SHARD) == []


def test_numbers_come_back_digit_by_digit(ledger: Ledger) -> None:
    row = replace(ledger_row(), rated=Decimal("0.000000001"), committed=-LONG)
    ledger.write(SHARD, [PutRow(row, None)])
    found = ledger.rows(SHARD, GUID)[row.key].value
    assert (str(found.rated), str(found.committed)) == ("1E-9", f"-{LONG}")


def test_a_row_is_replaced_at_its_version_only(ledger: Ledger) -> None:
    (old,) = ledger.write(SHARD, [PutRow(ledger_row(), None)])
    newer = ledger_row(committed=LONG + 1)
    ledger.write(SHARD, [PutRow(newer, old)])
    for wrong in (old, None):
        with pytest.raises(ConcurrentUpdate):
            ledger.write(SHARD, [PutRow(ledger_row(committed=LONG + 2), wrong)])
    assert ledger.rows(SHARD, GUID)[newer.key].value == newer


def test_all_is_written_or_nothing(ledger: Ledger) -> None:
    row, first = ledger_row(), submission()
    (etag,) = ledger.write(SHARD, [PutRow(row, None)])
    ledger.write(SHARD, [PutSubmission(first, None)])
    entry = AgendaEntry(at(14), ADA)
    changed = replace(row, committed=Decimal(9))
    with pytest.raises(ConcurrentUpdate):
        ledger.write(
            SHARD,
            [
                PutAgenda(entry),
                PutRow(changed, etag),
                PutSubmission(submission(10), None),
                PutSubmission(submission(quantity=Decimal(1)), None),
            ],
        )
    assert ledger.rows(SHARD, GUID)[row.key].value == row
    assert ledger.agenda(SHARD, at(23)) == []
    assert of_guid(ledger) == [first]
    assert by_hour(ledger.unsettled(SHARD)) == [first]


def test_a_slot_takes_one_submission_for_ever(ledger: Ledger) -> None:
    (etag,) = ledger.write(SHARD, [PutSubmission(submission(), None)])
    accepted = replace(submission(), state=SubmissionState.ACCEPTED, billed=LONG)
    ledger.write(SHARD, [PutSubmission(accepted, etag)])
    with pytest.raises(ConcurrentUpdate):
        ledger.write(SHARD, [PutSubmission(submission(), None)])
    assert of_guid(ledger) == [accepted]


def test_unsettled_follows_the_state(ledger: Ledger) -> None:
    now = submission()
    (etag,) = ledger.write(SHARD, [PutSubmission(now, None)])
    for state in (
        SubmissionState.OPEN,
        SubmissionState.HELD,
        SubmissionState.OPEN,
        SubmissionState.UNCERTAIN,
        SubmissionState.SETTLED,
    ):
        now = replace(now, state=state, attempts=now.attempts + 1, not_before=at(13, 5))
        (newer,) = ledger.write(SHARD, [PutSubmission(now, etag)])
        assert newer != etag
        with pytest.raises(ConcurrentUpdate):
            ledger.write(SHARD, [PutSubmission(replace(now, reason="late"), etag)])
        etag = newer
        assert ledger.unsettled(SHARD) == ([Versioned(now, etag)] if state.unsettled else [])
        assert of_guid(ledger) == [now]


def test_a_submission_can_come_back_under_way(ledger: Ledger) -> None:
    (etag,) = ledger.write(SHARD, [PutSubmission(submission(), None)])
    uncertain = replace(submission(), state=SubmissionState.UNCERTAIN)
    (etag,) = ledger.write(SHARD, [PutSubmission(uncertain, etag)])
    again = replace(submission(), attempts=3)
    (etag,) = ledger.write(SHARD, [PutSubmission(again, etag)])
    assert ledger.unsettled(SHARD) == [Versioned(again, etag)]
    assert of_guid(ledger) == [again]


def test_the_version_read_is_the_version_to_write_at(ledger: Ledger) -> None:
    ledger.write(SHARD, [PutSubmission(submission(), None), PutRow(ledger_row(), None)])
    (found,) = ledger.unsettled(SHARD)
    row = ledger.rows(SHARD, GUID)[ledger_key()]
    accepted = replace(found.value, state=SubmissionState.ACCEPTED)
    ledger.write(SHARD, [PutRow(row.value, row.etag), PutSubmission(accepted, found.etag)])
    assert ledger.unsettled(SHARD) == []


def test_quantity_rows_are_kept_apart_by_plan(ledger: Ledger) -> None:
    keys = [ledger_key(), ledger_key(plan="gold"), ledger_key(plan="silver"), ledger_key("calls")]
    ledger.write(SHARD, [PutRow(ledger_row(key), None) for key in keys])
    ledger.write(SHARD, [PutSubmission(submission(key=key), None) for key in keys])
    assert set(ledger.rows(SHARD, GUID)) == set(keys)
    assert {one.value.key for one in ledger.unsettled(SHARD)} == set(keys)


def test_a_resource_may_be_an_arm_id(ledger: Ledger) -> None:
    longer = ledger_key(resource=type(ARM)(ARM + "/more"))
    keys = [ledger_key(resource=ARM), ledger_key(), longer]
    for key in keys:
        ledger.write(
            SHARD,
            [PutRow(ledger_row(key), None), PutSubmission(submission(key=key), None)],
        )
    assert set(ledger.rows(SHARD, ARM)) == {keys[0]}
    assert list(ledger.submissions(SHARD, ARM, at(0))) == [submission(key=keys[0])]
    assert {one.value.key for one in ledger.unsettled(SHARD)} == set(keys)


def test_names_of_dimensions_and_plans_may_be_any_text(ledger: Ledger) -> None:
    keys = [ledger_key("größe / #1", plan="a|b"), ledger_key("größe / #1|a", plan="b")]
    ledger.write(SHARD, [PutRow(ledger_row(key), None) for key in keys])
    assert set(ledger.rows(SHARD, GUID)) == set(keys)


def test_submissions_are_found_by_hour(ledger: Ledger) -> None:
    made = [submission(hour) for hour in (2, 3, 10)]
    etags = ledger.write(SHARD, [PutSubmission(one, None) for one in made])
    accepted = replace(made[1], state=SubmissionState.ACCEPTED)
    ledger.write(SHARD, [PutSubmission(accepted, etags[1])])
    found = list(ledger.submissions(SHARD, GUID, at(3)))
    assert sorted(one.hour for one in found) == [at(3), at(10)]
    assert accepted in found


def test_the_agenda_is_in_order_of_time_up_to_an_hour(ledger: Ledger) -> None:
    entries = [
        AgendaEntry(at(15), ADA),
        AgendaEntry(at(9), BOB),
        AgendaEntry(at(14), AccountCode("a-b")),
        AgendaEntry(at(14), ADA),
    ]
    ledger.write(SHARD, [PutAgenda(entry) for entry in entries])
    found = [one.value for one in ledger.agenda(SHARD, at(14, 5))]
    assert found == [entries[1], entries[2], entries[3]]
    assert ledger.agenda(SHARD, at(8, 59)) == []
    assert len(ledger.agenda(SHARD, at(15))) == 4
    assert ledger.agenda(OTHER_SHARD, at(23)) == []


def test_an_entry_is_dropped_at_its_version_only(ledger: Ledger) -> None:
    entry = AgendaEntry(at(14), ADA)
    assert ledger.write(SHARD, [PutAgenda(entry)]) == [""]
    (old,) = ledger.agenda(SHARD, at(14))
    ledger.write(SHARD, [PutAgenda(entry)])
    with pytest.raises(ConcurrentUpdate):
        ledger.write(SHARD, [DropAgenda(old)])
    (new,) = ledger.agenda(SHARD, at(14))
    assert ledger.write(SHARD, [DropAgenda(new)]) == [""]
    assert ledger.agenda(SHARD, at(14)) == []
    with pytest.raises(ConcurrentUpdate):
        ledger.write(SHARD, [DropAgenda(new)])


def test_a_refund_is_recorded_once(ledger: Ledger) -> None:
    refund = Refund(ledger_key(), "case / 1 🎈", LONG, at(9), "someone", "größe")
    other = replace(refund, key=ledger_key("calls"))
    (etag,) = ledger.write(SHARD, [PutRow(ledger_row(), None)])
    written = ledger.write(SHARD, [PutRefund(refund), PutRefund(other)])
    assert written == ["", ""]
    changed = PutRow(ledger_row(committed=Decimal(0)), etag)
    with pytest.raises(ConcurrentUpdate):
        ledger.write(SHARD, [changed, PutRefund(replace(refund, units=Decimal(1)))])
    assert ledger.rows(SHARD, GUID)[ledger_key()].etag == etag
    found = ledger.refunds(SHARD, GUID)
    assert sorted(found, key=lambda one: one.key.dimension) == [other, refund]
    assert ledger.refunds(SHARD, ARM) == []
    assert ledger.refunds(OTHER_SHARD, GUID) == []


def test_versions_come_in_the_order_of_the_writes(ledger: Ledger) -> None:
    writes: list[LedgerWrite] = [
        PutAgenda(AgendaEntry(at(14), ADA)),
        PutSubmission(submission(10), None),
        PutRow(ledger_row(), None),
        PutSubmission(submission(11), None),
    ]
    none, first, row, second = ledger.write(SHARD, writes)
    assert none == ""
    assert {(one.value.hour, one.etag) for one in ledger.unsettled(SHARD)} == {
        (at(10), first),
        (at(11), second),
    }
    assert ledger.rows(SHARD, GUID)[ledger_key()].etag == row


def test_a_hundred_entities_are_the_limit(ledger: Ledger) -> None:
    keys = [ledger_key(f"d{n}") for n in range(51)]
    opened: list[PutSubmission] = [PutSubmission(submission(key=key), None) for key in keys]
    with pytest.raises(TooLarge):
        ledger.write(SHARD, opened)
    assert ledger.unsettled(SHARD) == []
    etags = ledger.write(SHARD, opened[:50])
    etags += ledger.write(SHARD, opened[50:])
    tried: list[PutSubmission] = [
        PutSubmission(replace(one.submission, attempts=1), etag)
        for one, etag in zip(opened, etags, strict=True)
    ]
    etags = ledger.write(SHARD, tried)
    assert len(etags) == 51
    ended: list[PutSubmission] = [
        PutSubmission(replace(one.submission, state=SubmissionState.ACCEPTED), etag)
        for one, etag in zip(tried, etags, strict=True)
    ]
    with pytest.raises(TooLarge):
        ledger.write(SHARD, ended)
    ledger.write(SHARD, ended[:50])
    assert len(ledger.unsettled(SHARD)) == 1


def test_what_makes_no_sense_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="at least one"):
        ledger.write(SHARD, [])
    with pytest.raises(ValueError, match="once"):
        ledger.write(SHARD, [PutRow(ledger_row(), None), PutRow(ledger_row(), None)])
    half = replace(submission(), hour=at(11, 30))
    with pytest.raises(ValueError, match="whole hour"):
        ledger.write(SHARD, [PutSubmission(half, None)])
