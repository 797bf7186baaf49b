"""Entra ID's endpoints: tokens, signing keys, metadata, and a managed identity's token."""

from typing import Final
from urllib.parse import parse_qsl

from local.marketplace.defaults import IDENTITY_HEADER
from local.marketplace.entra import ANY_TENANT, Entra, TokenError
from local.marketplace.simulator import Simulator
from local.marketplace.wire import Call, Reply, stamp

_LOGIN: Final = "https://login.microsoftonline.com"


def token_v2(simulator: Simulator, call: Call) -> Reply:
    """POST /{tenant}/oauth2/v2.0/token with ``scope``."""
    return _token(simulator, call, "scope")


def token_v1(simulator: Simulator, call: Call) -> Reply:
    """POST /{tenant}/oauth2/token with ``resource``."""
    return _token(simulator, call, "resource")


def _token(simulator: Simulator, call: Call, field: str) -> Reply:
    form = dict(parse_qsl(call.body.decode("utf-8", "replace")))
    entra = simulator.entra
    try:
        client = entra.authenticate(call.params["tenant"], form, call.base_url + call.path)
        access = entra.issue(client, form.get(field, ""), call.now)
    except TokenError as refusal:
        return _refusal(simulator, refusal, call)
    life = simulator.settings.token_lifetime_seconds
    if field == "scope":
        return Reply(
            200,
            {
                "token_type": "Bearer",
                "expires_in": life,
                "ext_expires_in": life,
                "access_token": access,
            },
        )
    return Reply(
        200,
        {
            "token_type": "Bearer",
            "expires_in": str(life),
            "ext_expires_in": str(life),
            "expires_on": str(int(call.now.timestamp()) + life),
            "not_before": str(int(call.now.timestamp())),
            "resource": form.get(field, ""),
            "access_token": access,
        },
    )


def _refusal(simulator: Simulator, refusal: TokenError, call: Call) -> Reply:
    return Reply(
        refusal.status,
        {
            "error": refusal.error,
            "error_description": str(refusal),
            "error_codes": [refusal.number],
            "timestamp": stamp(call.now),
            "trace_id": simulator.noise.guid(),
            "correlation_id": simulator.noise.guid(),
        },
    )


def _known(entra: Entra, tenant: str) -> bool:
    return tenant in entra.tenants or tenant in ANY_TENANT


def _issuer(tenant: str) -> str:
    """The issuer as Entra writes it, although keys and tokens come from this machine."""
    return f"{_LOGIN}/{'{tenantid}' if tenant in ANY_TENANT else tenant}/v2.0"


def keys(simulator: Simulator, call: Call) -> Reply:
    """GET /{tenant}/discovery/v2.0/keys."""
    tenant = call.params["tenant"]
    if not _known(simulator.entra, tenant):
        return _refusal(simulator, TokenError("invalid_tenant", 90002, "no such tenant"), call)
    published = [key.published(_issuer(tenant)) for key in simulator.ring.keys]
    return Reply(200, {"keys": published})


def metadata(simulator: Simulator, call: Call) -> Reply:
    """GET /{tenant}/v2.0/.well-known/openid-configuration."""
    tenant = call.params["tenant"]
    if not _known(simulator.entra, tenant):
        return _refusal(simulator, TokenError("invalid_tenant", 90002, "no such tenant"), call)
    here = f"{call.base_url}/{tenant}"
    return Reply(
        200,
        {
            "issuer": _issuer(tenant),
            "jwks_uri": f"{here}/discovery/v2.0/keys",
            "token_endpoint": f"{here}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
    )


def managed_identity(simulator: Simulator, call: Call) -> Reply:
    """GET /msi/token, the endpoint App Service gives a managed identity (IDENTITY_ENDPOINT).

    Its token for the exchange audience is what a federated credential presents as assertion.
    """
    resource = call.query.get("resource", "")
    if call.headers.get("x-identity-header") != IDENTITY_HEADER or not resource:
        return Reply(400, {"statusCode": 400, "message": "resource and X-IDENTITY-HEADER"})
    identity = simulator.entra.microsoft()
    access = simulator.ring.sign(simulator.entra.v2_claims(resource, identity, call.now))
    expires = int(call.now.timestamp()) + simulator.settings.token_lifetime_seconds
    return Reply(
        200,
        {
            "access_token": access,
            "expires_on": str(expires),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": identity.client_id,
        },
    )
