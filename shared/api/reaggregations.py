"""Jobs that aggregate stored events again, on the wire."""

from collections.abc import Iterable

from shared.api.body import require_type
from shared.api.convert import body, listed
from shared.api.objects import read
from shared.api.problem import Response
from shared.api.request import Request
from shared.services.run_reaggregation import JobStatus, ReaggregationOrder


def read_order(request: Request) -> ReaggregationOrder:
    """What is to be aggregated again; no body asks for everything."""
    if not request.body.strip():
        return ReaggregationOrder()
    require_type(request.headers, "application/json")
    return read(ReaggregationOrder, request.body)


def job_view(status: JobStatus) -> dict[str, object]:
    """A job: what was asked for, how far it is, and what came of it."""
    job, parts = status.job, status.parts
    return {
        "id": job.id,
        "state": "finished" if status.finished else "running",
        "started": job.started,
        "by": job.by,
        "first": job.first,
        "last": job.last,
        "accounts": job.accounts,
        "finished": status.finished,
        "progress": {
            "shards": len(parts),
            "shardsDone": sum(part.finished is not None for part in parts),
            "accountsDone": sum(part.done for part in parts),
        },
        "result": {
            "accountsChanged": sum(part.changed for part in parts),
            "daysChanged": sum(part.days for part in parts),
            "failed": {code: why for part in parts for code, why in part.failed.items()},
        },
    }


def started_response(status: JobStatus) -> Response:
    """A job that has begun, and where to ask for it."""
    headers = {"Location": f"/api/reaggregations/{status.job.id}"}
    return Response(202, body(job_view(status)), headers)


def job_response(status: JobStatus) -> Response:
    """One job."""
    return Response(200, body(job_view(status)))


def jobs_response(jobs: Iterable[JobStatus]) -> Response:
    """Recent jobs, newest first."""
    return Response(200, listed("reaggregations", [job_view(status) for status in jobs]))
