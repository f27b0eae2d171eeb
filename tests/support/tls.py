"""TLS on this machine: an authority for one test, and a front that speaks TLS before a plain server."""

import select
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, Final
from urllib.parse import urlsplit

import trustme

from tests.support.serving import Served

GIVE_UP_SECONDS: Final = 10.0


class Authority:
    """Issues certificates that only clients with its `ca_file` trust."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.ca_file = folder / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def server(self, name: str = "127.0.0.1", *, is_expired: bool = False) -> ssl.SSLContext:
        """What a server of this name presents."""
        ends = datetime.now(UTC) + timedelta(days=-1 if is_expired else 1)
        issued = self._ca.issue_cert(name, not_before=ends - timedelta(days=9), not_after=ends)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        return context


class TlsFront(Served):
    """Decrypts what arrives over TLS, passes it on to the plain server at `url`, and returns the answer."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        parts = urlsplit(url)
        behind = parts.hostname or "", parts.port or 0

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(GIVE_UP_SECONDS)
                try:
                    with (
                        context.wrap_socket(self.request, server_side=True) as client,
                        socket.create_connection(behind, GIVE_UP_SECONDS) as server,
                    ):
                        _pass_on(client, server)
                except OSError:
                    return  # a client that does not trust the certificate hangs up, and so do some servers

        server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"https://127.0.0.1:{self.port}{parts.path}"


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Pass data on until one of them is done. In one thread: two must not use one TLS connection at once."""
    while True:
        ready: list[Any] = [client] if client.pending() else select.select([client, server], [], [], GIVE_UP_SECONDS)[0]
        for side, other in ((client, server), (server, client)):
            if side in ready:
                part = side.recv(65_536)
                if not part:
                    return
                other.sendall(part)
        if not ready:
            return
