"""A table service with one row, enough for the deployment script's exports and upgrades."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import override

TOKEN = "Bearer token-for-https://storage.azure.com"
ROW = {"PartitionKey": "s00", "RowKey": "L|resource|usage_fee", "Committed": "1200"}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.headers["Authorization"] != TOKEN or self.path.startswith("/closed"):
            self._send(403, {})
        elif self.path == "/Tables":
            self._send(200, {"value": [{"TableName": "Ledger"}]})
        else:
            self._send(200, {"value": [ROW] if self.path == "/Ledger()" else []})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/$batch":
            self._send(202, {}, b"--b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n--b--\r\n")
        else:
            self._send(201, {})

    def _send(self, status: int, body: dict[str, object], raw: bytes = b"") -> None:
        data = raw or json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def storage() -> Iterator[str]:
    """Serve it; yields its endpoint."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
