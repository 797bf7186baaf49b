"""Refunds on the wire."""

from shared.api.body import require_type
from shared.api.convert import body
from shared.api.objects import read
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.metering.ledger import Refund
from shared.services.refund import RefundOrder


def read_refund(request: Request) -> RefundOrder:
    """A refund from a request; its ``id`` makes the request repeatable."""
    require_type(request.headers, "application/json")
    return read(RefundOrder, request.body)


def refund_response(refund: Refund) -> Response:
    """What was recorded."""
    return Response(200, body(refund))
