"""Runs and submissions on the wire."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from shared import telemetry
from shared.api.convert import listed, parse_time, time_text, to_json
from shared.api.problem import Response
from shared.domain.errors import InvalidInput
from shared.domain.ids import Shard
from shared.domain.metering.submission import Submission
from shared.services.queries import Queries
from shared.services.run_report import RunReport

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def status_response(status: Mapping[Shard, datetime | None]) -> Response:
    """When each shard's last complete run began; ``null``: never."""
    shards = [
        {"shard": shard, "lastCompleted": time_text(at) if at else None}
        for shard, at in sorted(status.items())
    ]
    return Response(200, json.dumps({"shards": shards}))


def submissions_response(queries: Queries, query: Mapping[str, str]) -> Response:
    """Submissions of ``account``, for hours from ``since`` on."""
    account = query.get("account", "")
    if not account:
        raise InvalidInput("name the account: ?account=…")
    since = parse_time(query["since"], "since") if "since" in query else _LONG_AGO
    found = queries.submissions(account, since)
    return Response(200, listed("submissions", [submission_view(s) for s in found]))


def submission_view(submission: Submission) -> dict[str, object]:
    """One submission, its key spread out."""
    key = submission.key
    return {
        "account": submission.account,
        "resource": key.resource,
        "dimension": key.dimension,
        "plan": submission.plan,
        "hour": submission.hour,
        "effectiveStartTime": submission.effective_start,
        "quantity": submission.quantity,
        "billed": submission.billed,
        "state": submission.state,
        "attempts": submission.attempts,
        "reason": submission.reason or None,
        "notBefore": submission.not_before,
        "usageEventId": submission.usage_event_id or None,
        "final": submission.final,
    }


MAX_SKEW = timedelta(minutes=5)
"""Change marks bear an hour of overlap; clocks that differ this much deserve a look."""


def report_skew(skew: timedelta) -> None:
    """Log how far the storage service's clock is from the machine's."""
    wrong = abs(skew) > MAX_SKEW
    telemetry.event(
        "clock_skew",
        level=logging.ERROR if wrong else logging.DEBUG,
        seconds=round(skew.total_seconds()),
    )


def _age(report: RunReport) -> int | None:
    """Whole hours since the oldest submission that is still not answered for."""
    if report.oldest_unsent is None:
        return None
    return (report.started - report.oldest_unsent) // timedelta(hours=1)


def report_run(report: RunReport) -> None:
    """Log a run: its figures, every account that failed, every quantity that differs."""
    telemetry.event(
        "shard_run",
        shard=report.shard,
        started=time_text(report.started),
        accounts=report.accounts,
        oldest_unsent_hours=_age(report),
        intents=report.intents,
        calls=report.calls,
        answers=json.dumps(report.answers),
        reasons=json.dumps(report.reasons) if report.reasons else None,
        failed=len(report.failed),
        settled=len(report.settled),
        unsettled=report.unsettled or None,
        uncertain=report.uncertain or None,
        written_off=len(report.written_off),
    )
    for account, reason in report.failed.items():
        telemetry.event("account_failed", level=logging.ERROR, account=account, reason=reason)
    for submission in report.differing:
        telemetry.event(
            "quantity_differs",
            level=logging.ERROR,
            account=submission.account,
            hour=time_text(submission.hour),
            sent=to_json(submission.quantity),
            held=to_json(submission.billed),
        )
