"""What every store of findings keeps to."""

import pytest

from shared.domain.finding import Finding, FindingKind
from shared.ports import Findings
from shared.storage.findings import TableFindings
from tests.contract.samples import NOON, at
from tests.fakes.findings import FakeFindings


@pytest.fixture(params=["fake", "azurite"])
def findings(request: pytest.FixtureRequest) -> Findings:
    if request.param == "fake":
        return FakeFindings()
    return TableFindings(request.getfixturevalue("tables"))


ONE = Finding(FindingKind.UNCERTAIN, "6f1c|größe / #1|2026112211", "no answer", NOON)
OTHER = Finding(FindingKind.WRITTEN_OFF, ONE.subject, "12.50 units 🎈", at(13))


def noted(findings: Findings) -> dict[tuple[FindingKind, str], Finding]:
    return {(one.kind, one.subject): one for one in findings.all()}


def test_nothing_is_there_at_first(findings: Findings) -> None:
    assert list(findings.all()) == []
    findings.note([])
    findings.drop(ONE.kind, ONE.subject)
    assert list(findings.all()) == []


def test_findings_are_told_apart_by_kind_and_subject(findings: Findings) -> None:
    elsewhere = Finding(ONE.kind, "another", "", NOON)
    findings.note([ONE, OTHER, elsewhere])
    assert noted(findings) == {(one.kind, one.subject): one for one in (ONE, OTHER, elsewhere)}


def test_the_newest_of_a_kind_and_subject_stays(findings: Findings) -> None:
    newer = Finding(ONE.kind, ONE.subject, "still no answer", at(14))
    findings.note([ONE])
    findings.note([newer])
    assert list(findings.all()) == [newer]


def test_what_is_dropped_is_gone(findings: Findings) -> None:
    findings.note([ONE, OTHER])
    findings.drop(ONE.kind, ONE.subject)
    findings.drop(ONE.kind, ONE.subject)
    assert list(findings.all()) == [OTHER]
