"""Open connections by caller, so that one can be cut in the middle of a request."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

type Address = tuple[str, int]


class Connections:
    """Knows the transport of every caller; ASGI itself has no way to break a connection."""

    def __init__(self) -> None:
        self._open: dict[Address, asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """An HTTP protocol class for uvicorn that registers its connections here."""
        opened = self._open

        class Tracked(H11Protocol):
            """The usual protocol, telling when a connection opens and closes."""

            def connection_made(  # type: ignore[override]  # as uvicorn's own signature
                self, transport: asyncio.Transport
            ) -> None:
                super().connection_made(transport)
                if self.client is not None:
                    opened[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    opened.pop(self.client, None)
                super().connection_lost(exc)

        return Tracked

    async def cut(self, client: Any) -> None:  # noqa: ANN401 - ASGI leaves the type open
        """Abort a caller's connection: it sees a reset and no answer."""
        transport = self._open.get(tuple(client or ()))
        if transport is not None:
            transport.abort()
        await asyncio.sleep(0)
