"""Health on the wire."""

import json

from shared.api.problem import Response


def health_response(catalog_version: int | None) -> Response:
    """Storage answered, or this would not have been called."""
    return Response(200, json.dumps({"status": "ok", "catalogVersion": catalog_version}))
