"""The one connection to Service Bus, opened when first needed, and its errors in our words."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from shared.config import Settings
from shared.domain.errors import Misconfigured, Throttled, Unavailable

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusClient

_OPTIONS: Final[dict[str, Any]] = {
    "retry_total": 2,
    "retry_mode": "fixed",
    "retry_backoff_factor": 0.2,
}
_BUSY_PAUSE: Final = 10.0
"""Seconds that Microsoft asks to wait after "server busy"."""


class Connection:
    """By connection string, else by namespace and ``credential``."""

    def __init__(
        self,
        settings: Settings,
        credential: Any = None,  # noqa: ANN401 - the SDK's, of a package this layer does not know
    ) -> None:
        self._settings = settings
        self._credential = credential
        self._lock = threading.Lock()
        self._client: ServiceBusClient | None = None

    def client(self) -> "ServiceBusClient":
        """The SDK's client. Raises ``Misconfigured`` when the settings name no namespace."""
        from azure.servicebus import ServiceBusClient

        with self._lock:
            if self._client is None:
                connection = self._settings.service_bus_connection
                namespace = self._settings.service_bus_namespace
                if connection:
                    self._client = ServiceBusClient.from_connection_string(connection, **_OPTIONS)
                elif namespace and self._credential is not None:
                    self._client = ServiceBusClient(namespace, self._credential, **_OPTIONS)
                else:
                    raise Misconfigured("set ServiceBus or ServiceBus__fullyQualifiedNamespace")
            return self._client

    def close(self) -> None:
        """Close it; the next use opens another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


@contextmanager
def translated() -> Iterator[None]:
    """Turns the SDK's errors into ``Throttled`` and ``Unavailable``."""
    from azure.servicebus.exceptions import ServiceBusError, ServiceBusServerBusyError

    try:
        yield
    except ServiceBusServerBusyError as exc:
        raise Throttled("Service Bus is busy", _BUSY_PAUSE) from exc
    except ServiceBusError as exc:
        # The text of the error can quote the connection.
        raise Unavailable(f"Service Bus gave no answer: {type(exc).__name__}") from exc
