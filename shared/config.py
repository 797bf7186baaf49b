"""Settings: read once from the environment, checked, and never a secret by default."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from shared.domain.errors import FieldError, InvalidInput
from shared.domain.lifecycle.landing import LandingField, parse_fields

MARKETPLACE_RESOURCE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
"""Entra's id of the Marketplace API (pc-saas-registration)."""

PRODUCTION_MARKETPLACE = "https://marketplaceapi.microsoft.com"
PRODUCTION_ENTRA = "https://login.microsoftonline.com"

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Where everything is and who we are.

    ``usage_grace`` is how long after its end a subscription's usage is still taken;
    ``event_retention`` is how long day tables are kept: 40 days and two more, or longer.
    Locations are URLs. ``tables_connection`` and ``marketplace_client_secret`` are for local
    runs; in Azure the managed identity ``identity_client_id`` opens the doors. A Marketplace
    application of another tenant, which cannot trust it, proves itself by
    ``marketplace_certificate``: certificate and private key in one PEM.

    ``app_service_auth`` says that App Service authentication is on, so that its headers may be
    believed. ``forward_url`` is the publisher's endpoint for lifecycle events, on one of
    ``forward_hosts``; ``max_quantity`` limits the seats of a subscription.
    """

    tables_endpoint: str = ""
    tables_connection: str = ""
    service_bus_namespace: str = ""
    service_bus_connection: str = ""
    identity_client_id: str = ""
    marketplace_url: str = PRODUCTION_MARKETPLACE
    marketplace_tenant_id: str = ""
    marketplace_client_id: str = ""
    marketplace_client_secret: str = field(default="", repr=False)
    marketplace_certificate: str = field(default="", repr=False)
    entra_url: str = PRODUCTION_ENTRA
    api_tenant_id: str = ""
    api_client_id: str = ""
    usage_grace: timedelta = timedelta(hours=1)
    event_retention: timedelta = timedelta(days=42)
    local_clock_file: Path | None = None
    app_service_auth: bool = False
    local_sign_in_url: str = ""
    landing_fields: tuple[LandingField, ...] = ()
    product_url: str = ""
    support_url: str = ""
    max_quantity: int = 1_000_000
    forward_url: str = ""
    forward_hosts: frozenset[str] = frozenset()
    forward_secret: str = field(default="", repr=False)

    @property
    def local(self) -> bool:
        """Whether storage is on this machine: the only place where time may be moved."""
        return _is_loopback(self.tables_connection)


def _is_loopback(connection: str) -> bool:
    parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
    return urlsplit(parts.get("TableEndpoint", "")).hostname in LOOPBACK


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from environment variables. Raises ``InvalidInput`` naming every faulty one."""
    faults: list[FieldError] = []

    def text(name: str, default: str = "") -> str:
        return environment.get(name, "").strip() or default

    def need_one(*names: str) -> None:
        if not any(text(name) for name in names):
            faults.append(FieldError(f"/{names[0]}", f"set {' or '.join(names)}"))

    need_one("TABLES_ENDPOINT", "TABLES_CONNECTION")
    need_one("ServiceBus__fullyQualifiedNamespace", "ServiceBus")
    for name in ("MARKETPLACE_TENANT_ID", "MARKETPLACE_CLIENT_ID", "API_CLIENT_ID"):
        need_one(name)
    grace = timedelta(
        hours=_number(text("USAGE_GRACE_HOURS", "1"), "USAGE_GRACE_HOURS", 0, 20, faults)
    )
    retention = timedelta(
        days=_number(text("EVENT_RETENTION_DAYS", "42"), "EVENT_RETENTION_DAYS", 42, 3650, faults)
    )
    clock = text("LOCAL_CLOCK_FILE")
    settings = Settings(
        tables_endpoint=text("TABLES_ENDPOINT"),
        tables_connection=text("TABLES_CONNECTION"),
        service_bus_namespace=text("ServiceBus__fullyQualifiedNamespace"),
        service_bus_connection=text("ServiceBus"),
        identity_client_id=text("AZURE_CLIENT_ID"),
        marketplace_url=text("MARKETPLACE_URL", PRODUCTION_MARKETPLACE).rstrip("/"),
        marketplace_tenant_id=text("MARKETPLACE_TENANT_ID").lower(),
        marketplace_client_id=text("MARKETPLACE_CLIENT_ID").lower(),
        marketplace_client_secret=text("MARKETPLACE_CLIENT_SECRET"),
        marketplace_certificate=text("MARKETPLACE_CERTIFICATE"),
        entra_url=text("ENTRA_URL", PRODUCTION_ENTRA).rstrip("/"),
        api_tenant_id=text("API_TENANT_ID", text("MARKETPLACE_TENANT_ID")).lower(),
        api_client_id=text("API_CLIENT_ID").lower(),
        usage_grace=grace,
        event_retention=retention,
        local_clock_file=Path(clock) if clock else None,
        app_service_auth=_switch(text("APP_SERVICE_AUTH", text("WEBSITE_AUTH_ENABLED"))),
        local_sign_in_url=text("LOCAL_SIGN_IN_URL").rstrip("/"),
        landing_fields=_landing_fields(text("LANDING_FIELDS"), faults),
        product_url=_link(text("PRODUCT_URL"), "PRODUCT_URL", faults),
        support_url=_link(text("SUPPORT_URL"), "SUPPORT_URL", faults),
        max_quantity=int(_number(text("MAX_QUANTITY", "1e6"), "MAX_QUANTITY", 1, 10**9, faults)),
        forward_url=text("FORWARD_URL"),
        forward_hosts=frozenset(text("FORWARD_HOSTS").lower().replace(",", " ").split()),
        forward_secret=text("FORWARD_SECRET"),
    )
    faults += _contradictions(settings)
    if clock and not settings.local:
        faults.append(FieldError("/LOCAL_CLOCK_FILE", "time moves only with storage on loopback"))
    if faults:
        raise InvalidInput("the settings are incomplete", faults)
    return settings


def _number(text: str, name: str, least: int, most: int, faults: list[FieldError]) -> float:
    """A number from ``least`` to ``most``, or ``least`` with a fault noted."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        faults.append(FieldError(f"/{name}", f"must be a number from {least} to {most}"))
        return least
    return number


def _switch(text: str) -> bool:
    return text.lower() in {"on", "true", "1"}


def _landing_fields(text: str, faults: list[FieldError]) -> tuple[LandingField, ...]:
    try:
        return parse_fields(text)
    except ValueError as exc:
        faults.append(FieldError("/LANDING_FIELDS", str(exc)))
        return ()


def _link(text: str, name: str, faults: list[FieldError]) -> str:
    """An address that a page may link to."""
    if text and urlsplit(text).scheme not in {"https", "mailto"}:
        faults.append(FieldError(f"/{name}", "must begin with https:// or mailto:"))
        return ""
    return text


MIN_SECRET = 32


def _contradictions(settings: Settings) -> list[FieldError]:
    """What is wrong with settings together."""
    faults: list[FieldError] = []
    if settings.marketplace_client_secret and settings.marketplace_certificate:
        message = "set MARKETPLACE_CLIENT_SECRET or MARKETPLACE_CERTIFICATE, not both"
        faults.append(FieldError("/MARKETPLACE_CERTIFICATE", message))
    if not settings.forward_url:
        return faults
    try:
        parts = urlsplit(settings.forward_url)
        host = parts.hostname or ""
        allowed = host in settings.forward_hosts and not (parts.username or parts.password)
    except ValueError:
        allowed, host, parts = False, "", urlsplit("")
    encrypted = parts.scheme == "https" or (settings.local and host in LOOPBACK)
    if not allowed or not encrypted:
        message = "must be an https URL without credentials on one of FORWARD_HOSTS"
        faults.append(FieldError("/FORWARD_URL", message))
    if len(settings.forward_secret) < MIN_SECRET:
        message = f"must have at least {MIN_SECRET} characters"
        faults.append(FieldError("/FORWARD_SECRET", message))
    return faults
