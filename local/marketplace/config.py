"""What a simulator is started with: identities, offers, webhook, options."""

import json
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final

import yaml
from pydantic import ConfigDict, TypeAdapter

from local.marketplace import defaults
from local.marketplace.catalog import WIRE, Offer
from local.marketplace.options import Options
from local.marketplace.subscription import Person


class TokenVersion(StrEnum):
    """Which claims a webhook token carries."""

    V1 = "v1"
    V2 = "v2"
    ALTERNATE = "alternate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An application that may ask for tokens: secret, roles in our API, registered public keys."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    client_id: str
    name: str = ""
    tenant_id: str = defaults.PUBLISHER_TENANT
    object_id: str = ""
    secret: str | None = None
    roles: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where notifications go and how Microsoft retries them: 500 tries within 8 hours.

    Source: learn.microsoft.com/partner-center/marketplace-offers/pc-saas-fulfillment-webhook.
    ``audience`` and ``tenant_id`` default to the marketplace application and its tenant;
    ``timeout_seconds`` is real time, the other durations are time of the stack.
    """

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    url: str | None = None
    audience: str | None = None
    tenant_id: str | None = None
    token_version: TokenVersion = TokenVersion.ALTERNATE
    tries: int = 500
    within_seconds: float = 8 * 3600
    timeout_seconds: float = 10

    @property
    def interval_seconds(self) -> float:
        """Time between two tries."""
        return self.within_seconds / self.tries


def _clients() -> tuple[Client, ...]:
    return (
        Client(
            client_id=defaults.MARKETPLACE_APP,
            name="marketplace",
            secret=defaults.MARKETPLACE_SECRET,
        ),
        Client(
            client_id=defaults.BACKEND_APP,
            name="product-backend",
            secret=defaults.BACKEND_SECRET,
            roles=("Usage.Write",),
        ),
        Client(
            client_id=defaults.ADMINISTRATOR_APP,
            name="administrator",
            secret=defaults.ADMINISTRATOR_SECRET,
            roles=("Billing.Admin", "Billing.Read"),
        ),
        Client(
            client_id=defaults.OUTSIDER_APP,
            name="outsider",
            tenant_id=defaults.OTHER_TENANT,
            secret=defaults.OUTSIDER_SECRET,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration; every part has a working default."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    tenant_id: str = defaults.PUBLISHER_TENANT
    marketplace_app_id: str = defaults.MARKETPLACE_APP
    api_app_id: str = defaults.API_APP
    api_id_uri: str | None = None
    landing_url: str = defaults.LANDING_URL
    token_lifetime_seconds: int = 3600
    request_log: int = 50_000
    seed: int = 1
    clients: tuple[Client, ...] = field(default_factory=_clients)
    offers: tuple[Offer, ...] = field(default_factory=defaults.offers)
    customer: Person = Person(  # noqa: RUF009 - a frozen value
        "buyer@customer.example", defaults.CUSTOMER_USER, defaults.CUSTOMER_TENANT
    )
    webhook: Webhook = Webhook()
    options: Options = Options()  # noqa: RUF009 - a frozen value

    def for_tenant(self, tenant_id: str) -> "Settings":
        """The same with another publisher tenant, its clients included."""
        moved = tuple(
            replace(client, tenant_id=tenant_id) if client.tenant_id == self.tenant_id else client
            for client in self.clients
        )
        return replace(self, tenant_id=tenant_id, clients=moved)


_SETTINGS: Final = TypeAdapter(Settings)


def load(path: Path) -> Settings:
    """Read a YAML or JSON file. Raises ValueError naming every wrong field."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return _SETTINGS.validate_python(json.loads(text, parse_float=Decimal))
    return _SETTINGS.validate_python(yaml.safe_load(text) or {})
