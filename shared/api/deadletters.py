"""Dead letters on the wire."""

import json
from collections.abc import Mapping, Sequence

from shared.api.convert import body
from shared.api.problem import Response
from shared.ports import DeadLetter


def dead_letters_response(found: Mapping[str, Sequence[DeadLetter]]) -> Response:
    """Dead letters by queue."""
    return Response(200, body({"queues": found}))


def replayed_response(count: int) -> Response:
    """How many were sent again."""
    return Response(200, json.dumps({"replayed": count}))
