"""Service users on the wire: a key is shown once, its hash never."""

from collections.abc import Iterable

from shared.api.body import require_type
from shared.api.convert import body, listed
from shared.api.objects import read
from shared.api.problem import Response
from shared.api.request import Request
from shared.domain.serviceuser import ServiceUser
from shared.services.service_users import ServiceUserOrder


def read_order(request: Request) -> ServiceUserOrder:
    """What a new key is to be good for."""
    require_type(request.headers, "application/json")
    return read(ServiceUserOrder, request.body)


def user_view(user: ServiceUser) -> dict[str, object]:
    """A service user without its secret."""
    return {
        "keyId": user.key_id,
        "name": user.name,
        "rights": sorted(user.rights),
        "accounts": user.accounts,
        "created": user.created,
        "expires": user.expires,
        "revoked": user.revoked,
        "lastUsed": user.last_used,
    }


def created_response(user: ServiceUser, key: str) -> Response:
    """The one answer that holds the key."""
    return Response(201, body({**user_view(user), "key": key}))


def user_response(user: ServiceUser) -> Response:
    """One service user."""
    return Response(200, body(user_view(user)))


def users_response(users: Iterable[ServiceUser]) -> Response:
    """A list of service users."""
    return Response(200, listed("serviceUsers", [user_view(user) for user in users]))
