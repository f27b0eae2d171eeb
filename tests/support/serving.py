"""A server of the standard library that answers in the background while a test lasts."""

import threading
from socketserver import TCPServer
from types import TracebackType
from typing import Final, Self

LOOK_SECONDS: Final = 0.01
"""How often a server checks whether it should stop; the default is half a second, spent at the end of every test."""


class Served:
    """Serves on `port` of the loopback while its `with` block lasts."""

    def __init__(self, server: TCPServer) -> None:
        self._server = server
        self.port = int(server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(LOOK_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
