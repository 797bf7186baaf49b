"""Findings in memory."""

from collections.abc import Iterable, Sequence

from shared.domain.finding import Finding, FindingKind


class FakeFindings:
    """The newest of a kind and subject stays."""

    def __init__(self) -> None:
        self._noted: dict[tuple[FindingKind, str], Finding] = {}

    def note(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self._noted[finding.kind, finding.subject] = finding

    def all(self) -> Iterable[Finding]:
        return list(self._noted.values())

    def drop(self, kind: FindingKind, subject: str) -> None:
        self._noted.pop((kind, subject), None)
