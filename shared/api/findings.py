"""Findings on the wire, and what the daily work says."""

import logging
from collections.abc import Iterable

from shared import telemetry
from shared.api.convert import listed
from shared.api.problem import Response
from shared.domain.finding import Finding
from shared.domain.metering.reconciliation import Verdict
from shared.services.daily import DailyReport


def findings_response(findings: Iterable[Finding]) -> Response:
    """A list of findings."""
    return Response(200, listed("findings", findings))


def report_daily(report: DailyReport) -> None:
    """Log the daily work; what it found is logged as an error, so that an alert sees it."""
    behind = sum(len(audit.behind) for audit in report.audits)
    failed = sum(len(audit.failed) for audit in report.audits)
    mismatched = sum(c.verdict is not Verdict.MATCHED for c in report.comparisons)
    wrong = behind or failed or mismatched or report.reconcile_failure
    telemetry.event(
        "daily",
        level=logging.ERROR if wrong else logging.INFO,
        audited=sum(audit.accounts for audit in report.audits),
        behind=behind,
        failed=failed,
        dropped=len(report.dropped),
        compared=len(report.comparisons),
        mismatched=mismatched,
        reconcile_failure=report.reconcile_failure or None,
    )
