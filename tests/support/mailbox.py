"""A mail server on this machine that keeps the mail it gets. It does not support encryption."""

import socketserver
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.support.serving import Served


class Mailbox(Served):
    """`refuses`: what the server answers to a recipient; empty: it accepts everybody."""

    def __init__(self, *, refuses: str = "") -> None:
        self.letters: list[EmailMessage] = []
        self.said: list[str] = []
        mailbox = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 here")
                while line := self.rfile.readline().decode().strip():
                    mailbox.said.append(line)
                    verb = line.split()[0].upper()
                    if verb == "RCPT" and refuses:
                        self._say(refuses)
                    elif verb == "DATA":
                        self._say("354 go on")
                        self._keep()
                        self._say("250 kept")
                    elif verb == "QUIT":
                        self._say("221 bye")
                        return
                    else:
                        self._say("250 fine")

            def _say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def _keep(self) -> None:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line)
                mailbox.letters.append(message_from_bytes(b"".join(lines), policy=policy.default))

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)

    @property
    def place(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"
