"""Alerts and the workbook ask for what the code logs: their queries are run over its own lines."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import azure.functions as func
import pytest

from shared.api.findings import report_daily
from shared.api.http import respond
from shared.api.messages import report_taken
from shared.api.metering import report_run, report_skew
from shared.api.problem import Response
from shared.api.subscriptions import report_reconciled
from shared.domain.errors import Rejected, Unauthenticated, Unavailable
from shared.domain.finding import Finding, FindingKind
from shared.domain.ids import AccountCode, DimensionId, Resource, Shard, SubscriptionId
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.reconciliation import Comparison, Verdict
from shared.domain.metering.submission import Submission
from shared.services.audit import AuditReport
from shared.services.daily import DailyReport
from shared.services.reconcile_subscriptions import Reconciled
from shared.services.run_report import RunReport
from tests.infra.kql import Row, query
from tests.infra.kql_functions import NotKusto

MODULES = Path(__file__).parents[2] / "infra" / "bicep" / "modules"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = LedgerKey(Resource("r"), DimensionId("usage_fee"))
SEVERITIES = {logging.INFO: 1, logging.WARNING: 2, logging.ERROR: 3}


@dataclass(frozen=True)
class Rule:
    """A rule as Azure gets it."""

    name: str
    query: str
    window: timedelta
    threshold: int


def rules() -> Iterator[Rule]:
    """Every rule over log lines."""
    text = (MODULES / "alerts.bicep").read_text()
    shared = re.search(r"^var lines = '(.*)'$", text, re.MULTILINE)
    assert shared
    pattern = (
        r"    name: '([\w-]+)'\n(?:    .*\n)*?    query: '(.*)'\n    frequency: '.*'\n"
        r"    window: '(?:PT(\d+)H|P(\d+)D)'\n    threshold: (\d+)"
    )
    for name, body, hours, days, threshold in re.findall(pattern, text):
        filled = _plain(body).replace("${lines}", _plain(shared[1]))
        window = timedelta(hours=int(hours or 0), days=int(days or 0))
        yield Rule(name, filled.replace("${unsentHours}", "6"), window, int(threshold))


def _plain(literal: str) -> str:
    """A string of Bicep without its escapes."""
    return re.sub(r"\\(.)", r"\1", literal)


RULES = list(rules())


def workbook() -> dict[str, str]:
    """Queries of the workbook by title."""
    items = json.loads((MODULES / "workbook.json").read_text())["items"]
    return {i["name"]: i["content"]["query"] for i in items if i["type"] == 3}


class Lines(logging.Handler):
    """Log lines as rows of AppTraces; the runtime hands on what is INFO or above."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.rows: list[Row] = []
        self.at = NOW

    def emit(self, record: logging.LogRecord) -> None:
        severity = SEVERITIES[record.levelno]
        self.rows.append(
            {"TimeGenerated": self.at, "Message": record.getMessage(), "SeverityLevel": severity}
        )


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What the code logs meanwhile."""
    logger, handler = logging.getLogger("metering"), Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)


def run(shard: int = 0, **facts: object) -> RunReport:
    """A run of a shard that began an hour ago."""
    report = RunReport(Shard(shard), NOW - timedelta(hours=1))
    for name, value in facts.items():
        setattr(report, name, value)
    return report


def all_runs(**facts: object) -> None:
    """A run of every shard, each with the same facts."""
    for shard in range(16):
        report_run(run(shard, **facts))


def request(path: str, failure: Exception) -> None:
    """A request that ends in ``failure``."""

    def handle(_: object) -> Response:
        raise failure

    url = f"https://metering.azurewebsites.net{path}"
    respond(func.HttpRequest(method="POST", url=url, body=b""), handle)


def times(count: int, act: Callable[[], None]) -> Callable[[], None]:
    def again() -> None:
        for _ in range(count):
            act()

    return again


def submission() -> Submission:
    return Submission(KEY, AccountCode("acme"), NOW, NOW, "gold", Decimal(5), billed=Decimal(3))


def compared(verdict: Verdict) -> DailyReport:
    comparison = Comparison(
        KEY.resource, KEY.dimension, date(2026, 11, 18), Decimal(5), Decimal(3), verdict
    )
    return DailyReport(comparisons=[comparison])


NO_TOKEN = "not sent: no token: Entra refused a token: invalid_client AADSTS700213 (401)"
REFUSED = {"refused": 2}
UNKNOWN_SUBSCRIPTION = Finding(FindingKind.NOT_ADOPTED, "s", "offer/gold", NOW)

EVENTS: dict[str, tuple[str, Callable[[], None]]] = {
    "old usage": (
        "unsent-usage",
        lambda: report_run(run(oldest_unsent=NOW - timedelta(hours=8))),
    ),
    "a failed account": (
        "accounts-failed",
        lambda: report_run(run(failed={AccountCode("acme"): "invalid-input: no such plan"})),
    ),
    "another quantity": ("findings", lambda: report_run(run(differing=[submission()]))),
    "written off": (
        "findings",
        lambda: report_run(run(written_off=[LedgerRow(KEY, AccountCode("acme"))])),
    ),
    "an audit that found usage": (
        "findings",
        lambda: report_daily(DailyReport(audits=[AuditReport(Shard(0), 1, [AccountCode("acme")])])),
    ),
    "a report that differs": ("findings", lambda: report_daily(compared(Verdict.MISSING))),
    "no report": (
        "findings",
        lambda: report_daily(DailyReport(reconcile_failure="unavailable: the report")),
    ),
    "a clock that is off": ("findings", lambda: report_skew(timedelta(minutes=-6))),
    "a subscription that failed": (
        "findings",
        lambda: report_reconciled(Reconciled(failed={"s": "unavailable: no"})),
    ),
    "an hour in doubt": ("uncertain", lambda: report_run(run(uncertain=1))),
    "an unknown subscription": (
        "subscriptions",
        lambda: report_reconciled(Reconciled(compared=1, findings=[UNKNOWN_SUBSCRIPTION])),
    ),
    "notices refused": (
        "webhook-rejections",
        times(6, lambda: request("/api/webhook", Unauthenticated("the token is of another app"))),
    ),
    "submissions refused": (
        "submissions-refused",
        lambda: all_runs(answers=REFUSED, reasons={"HTTP 403": 2}),
    ),
    "no answers": ("submissions-refused", lambda: all_runs(answers={"unknown": 3})),
    "no token in a run": ("identity", lambda: all_runs(answers=REFUSED, reasons={NO_TOKEN: 2})),
    "no token in a request": (
        "identity",
        lambda: request("/api/subscriptions/reconcile", Rejected("Entra refused a token: x", 401)),
    ),
    "no managed identity": (
        "identity",
        lambda: request("/x", Unavailable("the managed identity gave no token: CredentialError")),
    ),
    "faults of ours": ("broken-requests", times(4, lambda: request("/api/usage", KeyError("x")))),
}


def healthy(lines: Lines, until: timedelta = timedelta()) -> None:
    """A day on which nothing is wrong, up to some time ago."""
    lines.at = NOW - until
    report_daily(compared(Verdict.MATCHED))
    report_skew(timedelta(seconds=2))
    times(3, lambda: request("/api/webhook", Unauthenticated("noise")))()
    for hour in range(24):
        lines.at = NOW - until - timedelta(hours=hour, minutes=10)
        all_runs(accounts=3, intents=2, answers={"accepted": 1, "duplicate": 1})
        report_reconciled(Reconciled(compared=5, repaired=[SubscriptionId("s")]))
        report_taken(4, {"accepted": 100, "duplicate": 2})
    lines.at = NOW


def fired(lines: Lines, **tables: list[Row]) -> set[str]:
    """Names of the rules that would raise an alert."""
    given = {"AppTraces": lines.rows, "AppRequests": [], "AppExceptions": [], **tables}
    names: set[str] = set()
    for rule in RULES:
        seen = {
            table: [row for row in rows if row["TimeGenerated"] >= NOW - rule.window]
            for table, rows in given.items()
        }
        if len(query(rule.query, seen, NOW)) > rule.threshold:
            names.add(rule.name)
    return names


def test_nothing_is_raised_while_nothing_is_wrong(lines: Lines) -> None:
    healthy(lines)
    assert len(lines.rows) > 400
    assert fired(lines) == set()


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_what_the_code_logs_raises_the_alert_that_is_meant_for_it(lines: Lines, event: str) -> None:
    name, happens = EVENTS[event]
    healthy(lines, until=timedelta(hours=2))
    assert name not in fired(lines)
    happens()
    assert name in fired(lines)


@pytest.mark.parametrize("failures", [2, 3])
def test_functions_that_fail_again_and_again_raise_an_alert(lines: Lines, failures: int) -> None:
    healthy(lines)
    failed = {"TimeGenerated": NOW, "Name": "run_shard", "Success": False, "DurationMs": 1.0}
    assert ("functions-failed" in fired(lines, AppRequests=[failed] * failures)) == (failures > 2)


def test_an_exception_of_a_function_without_a_token_raises_the_alert_for_identity(
    lines: Lines,
) -> None:
    healthy(lines)
    text = f"Result: Failure\nException: Unavailable: the list did not come: {NO_TOKEN}"
    assert fired(lines, AppExceptions=[{"TimeGenerated": NOW, "OuterMessage": text}]) == {
        "identity"
    }


def test_an_app_that_never_ran_raises_an_alert(lines: Lines) -> None:
    assert fired(lines) == {"runs-missing"}


def test_an_app_that_stopped_days_ago_still_raises_an_alert(lines: Lines) -> None:
    healthy(lines, until=timedelta(days=3))
    assert fired(lines) == {"runs-missing"}


def test_one_shard_without_runs_raises_an_alert(lines: Lines) -> None:
    healthy(lines)
    late = NOW - timedelta(hours=4)
    lines.rows = [
        row for row in lines.rows if "shard=7" not in row["Message"] or row["TimeGenerated"] < late
    ]
    assert fired(lines) == {"runs-missing"}


def test_every_rule_has_an_event_that_raises_it() -> None:
    tested = {name for name, _ in EVENTS.values()} | {"runs-missing", "functions-failed"}
    assert tested == {rule.name for rule in RULES}


@pytest.mark.parametrize("title", sorted(workbook()))
def test_the_workbook_shows_what_was_logged(lines: Lines, title: str) -> None:
    healthy(lines)
    request("/api/usage", Unauthenticated("send a bearer token"))
    reasons = {'HTTP 400: "planId" is unknown': 1, NO_TOKEN: 4}
    failed = {AccountCode("acme"): "invalid-input: no such plan"}
    report_run(run(3, answers=REFUSED, reasons=reasons, failed=failed, oldest_unsent=NOW - AGE))
    requests = [{"TimeGenerated": NOW, "Name": "hourly", "Success": True, "DurationMs": 1500.0}]
    rows = query(workbook()[title], {"AppTraces": lines.rows, "AppRequests": requests}, NOW)
    assert rows
    assert SHOWN[title] in [tuple(row.values()) for row in rows]


def test_nothing_that_alerts_count_is_sampled_or_left_out() -> None:
    """AppRequests, AppExceptions and AppTraces are what telemetry of these types becomes."""
    logging_ = json.loads((MODULES.parents[2] / "host.json").read_text())["logging"]
    kept = logging_["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    used = {f"App{name}s" for name in kept}
    asked = set(re.findall(r"\bApp[A-Z]\w+", " ".join(rule.query for rule in RULES)))
    assert asked == used
    assert logging_["logLevel"]["default"] == "Information"
    assert logging_["logLevel"]["Host.Results"] == "Information"


AGE = timedelta(hours=9)
LAST_HOUR = NOW - timedelta(hours=1)
SHOWN: dict[str, tuple[object, ...]] = {
    "Runs by hour (16 shards make one run)": (LAST_HOUR, 16),
    "Accounts rated and submissions intended": (LAST_HOUR, 48, 32),
    "Answers of the Marketplace": ("refused", NOW, 2),
    "Why the Marketplace refused": (NO_TOKEN, 4, NOW),
    "Age of the oldest unsent usage, hours": (NOW, 8.0),
    "Accounts that failed": ("acme", '"invalid-input: no such plan"', 1, NOW),
    "Requests refused": ("unauthenticated", NOW, 4),
    "Usage taken from the queue": (LAST_HOUR, 4),
    "Duration of functions, seconds (95th percentile)": ("hourly", NOW, 1.5),
}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('AppTraces | where Message has "a', id="an open string"),
        pytest.param(r'AppTraces | extend a = extract(@"b=\"(.*)\"", 1, Message)', id="quotes"),
        pytest.param("AppTraces | summarize last = max(TimeGenerated)", id="a reserved word"),
        pytest.param("AppTraces | frobnicate", id="an unknown operator"),
        pytest.param("Traces | where true", id="an unknown table"),
    ],
)
def test_queries_that_azure_would_refuse_are_refused_here(text: str) -> None:
    with pytest.raises(NotKusto):
        query(text, {"AppTraces": []}, NOW)
