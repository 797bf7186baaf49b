"""Dead letters: messages of the queues that could not be handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from shared.api.http import respond
from shared.bootstrap import app

if TYPE_CHECKING:
    from shared.api.problem import Response
    from shared.api.request import Request

blueprint = func.Blueprint()


@blueprint.route(route="api/deadletters", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def get_dead_letters(req: func.HttpRequest) -> func.HttpResponse:
    """The oldest dead letters of every queue."""
    from shared.api.deadletters import dead_letters_response

    def handle(request: Request) -> Response:
        app().authorize.billing_read(request.headers)
        return dead_letters_response(app().dead_letters.all())

    return respond(req, handle)


@blueprint.route(
    route="api/deadletters/{queue}/replay", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
def post_replay_dead_letters(req: func.HttpRequest) -> func.HttpResponse:
    """Send a queue's dead letters again."""
    from shared.api.deadletters import replayed_response

    def handle(request: Request) -> Response:
        app().authorize.billing_admin(request.headers)
        return replayed_response(app().dead_letters.replay(request.route["queue"]))

    return respond(req, handle)
