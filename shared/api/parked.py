"""Parked and refused input on the wire."""

import json
from collections.abc import Iterable

from shared.api.convert import body, to_json
from shared.api.problem import Response
from shared.ports import ParkedEvent, RefusedInput
from shared.services.replay_parked import Replayed


def parked_response(parked: Iterable[ParkedEvent], refused: Iterable[RefusedInput]) -> Response:
    """What waits for an account or a meter, and what nobody can use."""
    document = {
        "parked": [to_json(event) for event in parked],
        "refused": [to_json(item) for item in refused],
    }
    return Response(200, json.dumps(document, ensure_ascii=False))


def replayed_response(replayed: Replayed) -> Response:
    """What became of the parked events."""
    return Response(200, body(replayed))
