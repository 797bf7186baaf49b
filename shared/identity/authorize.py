"""From the headers of a request to a caller that may do what it asks for."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from shared.config import Settings
from shared.domain.caller import Caller, Right
from shared.domain.errors import Forbidden, Unauthenticated
from shared.domain.ids import AccountCode
from shared.identity.apikeys import PREFIX, ApiKeys
from shared.identity.entra import EntraTokens, api_caller, keys_url, partner_center
from shared.identity.keys import SigningKeys
from shared.ports import ServiceUsers

MAX_HEADER: Final = 20 * 1024


class Authorizer:
    """Decides who may call what. All of its verbs raise ``Unauthenticated`` for callers that do
    not prove who they are, and ``Forbidden`` for those without the right."""

    def __init__(self, api: EntraTokens, webhook: EntraTokens, keys: ApiKeys) -> None:
        self._api = api
        self._webhook = webhook
        self._keys = keys

    def usage_write(self, headers: Mapping[str, str]) -> Caller:
        """A caller that may report usage, of its ``accounts`` only."""
        return _with_right(self._caller(headers), Right.USAGE_WRITE)

    def billing_read(
        self, headers: Mapping[str, str], account: AccountCode | None = None
    ) -> Caller:
        """A caller that may read billing: of ``account``, or of all when that is ``None``."""
        return _reaching(_with_right(self._caller(headers), Right.BILLING_READ), account)

    def billing_reader(self, headers: Mapping[str, str]) -> Caller:
        """A caller that may read billing, of its ``accounts`` only."""
        return _with_right(self._caller(headers), Right.BILLING_READ)

    def billing_admin(
        self, headers: Mapping[str, str], account: AccountCode | None = None
    ) -> Caller:
        """A caller that may change billing: of ``account``, or everything when that is
        ``None``."""
        return _reaching(_with_right(self._caller(headers), Right.BILLING_ADMIN), account)

    def partner_center(self, headers: Mapping[str, str]) -> Caller:
        """Partner Center with its own token; nothing else opens the webhook."""
        bearer, _ = _credentials(headers)
        if not bearer:
            raise Unauthenticated("the webhook needs a bearer token")
        return partner_center(self._webhook, bearer)

    def _caller(self, headers: Mapping[str, str]) -> Caller:
        bearer, key = _credentials(headers)
        if key or bearer.startswith(PREFIX):
            return self._keys.caller(key or bearer)
        if not bearer:
            raise Unauthenticated("send a bearer token or an API key")
        return api_caller(self._api, bearer)


def authorizer(settings: Settings, users: ServiceUsers, now: Callable[[], datetime]) -> Authorizer:
    """An authorizer by the settings: our API's audience with and without ``api://``, and the
    Marketplace application for the webhook."""
    api_keys = SigningKeys(keys_url(settings.entra_url, settings.api_tenant_id))
    webhook_keys = api_keys
    if settings.marketplace_tenant_id != settings.api_tenant_id:
        webhook_keys = SigningKeys(keys_url(settings.entra_url, settings.marketplace_tenant_id))
    api = settings.api_client_id
    audiences = frozenset({api, f"api://{api}"}) if api else frozenset[str]()
    return Authorizer(
        EntraTokens(settings.api_tenant_id, audiences, api_keys, now),
        EntraTokens(
            settings.marketplace_tenant_id,
            frozenset({settings.marketplace_client_id}),
            webhook_keys,
            now,
        ),
        ApiKeys(users, now),
    )


def _credentials(headers: Mapping[str, str]) -> tuple[str, str]:
    """The bearer token and the API key of a request, empty where there is none.

    Two that could contradict each other are refused rather than chosen from.
    """
    found = {name.lower(): value.strip() for name, value in headers.items()}
    authorization, key = found.get("authorization", ""), found.get("x-api-key", "")
    if len(authorization) + len(key) > MAX_HEADER:
        raise Unauthenticated("the credentials are too long")
    if authorization and key:
        raise Unauthenticated("send a bearer token or an API key, not both")
    scheme, _, bearer = authorization.partition(" ")
    if authorization and scheme.lower() != "bearer":
        raise Unauthenticated("the Authorization header is not of type Bearer")
    return bearer.strip(), key


def _with_right(caller: Caller, right: Right) -> Caller:
    if not caller.may(right):
        raise Forbidden(f"this needs the right {right}")
    return caller


def _reaching(caller: Caller, account: AccountCode | None) -> Caller:
    """A caller that is limited to some accounts must say which one it wants."""
    reaches = caller.accounts is None if account is None else caller.may_use(account)
    if not reaches:
        raise Forbidden("the caller is limited to other accounts")
    return caller
