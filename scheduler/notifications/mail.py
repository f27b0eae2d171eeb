"""Sends e-mail through the mail server of the settings."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from scheduler.notifications.outcome import TAKEN, DeliveryResult
from worker.certificates import certificate_problem, trusting

TIMEOUT_SECONDS: Final = 10.0
"""For one read."""

MOST_SECONDS: Final = 30.0
"""For the whole delivery."""

READY: Final = 220
"""The greeting of a mail server."""

PORTS: Final = {"smtp": 587, "smtps": 465}


def server_problem(server: SecretStr) -> str:
    """Return what is wrong with the form of the mail server's address; empty if nothing is."""
    try:
        parts = urlsplit(server.get_secret_value())
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    return "" if usable else "must be smtp://host:port (STARTTLS) or smtps://host:port, with user:password@ if needed"


def send_mail(
    server: SecretStr,
    to: str,
    subject: str,
    text: str,
    *,
    id_: str,
    ca_file: Path | None = None,
    seconds: float = MOST_SECONDS,
) -> DeliveryResult:
    """Send one e-mail to one person. `id_` identifies it, so that a mailbox may show a repeated one only once.

    Raises `SettingsError` for a `ca_file` that cannot be used.
    """
    problem = server_problem(server)
    if problem:
        return DeliveryResult(f"CAMPAIGNS_SMTP_URL {problem}", is_away=True)
    parts = urlsplit(server.get_secret_value())
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    letter = EmailMessage()
    letter["From"] = user if "@" in user else to
    letter["To"] = to
    letter["Subject"] = subject
    letter["Date"] = formatdate()
    letter["Message-ID"] = f"<{id_}@campaigns.invalid>" if id_ else make_msgid(domain="campaigns.invalid")
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    try:
        with _connected(parts, trusting(ca_file), seconds) as connection:
            if user:
                connection.login(user, password)
            connection.send_message(letter)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError):
        return DeliveryResult("the mail server refused it")
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        refused = certificate_problem(error)
        why = f"its certificate is not trusted: {refused}" if refused else type(error).__name__
        return DeliveryResult(f"the mail server could not be used ({why})", is_away=True)
    return TAKEN


@contextmanager
def _connected(parts: SplitResult, context: ssl.SSLContext, seconds: float) -> Iterator[smtplib.SMTP]:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    is_secured = parts.scheme == "smtps"
    kind = partial(smtplib.SMTP_SSL, context=context) if is_secured else smtplib.SMTP
    connection = kind(timeout=TIMEOUT_SECONDS)
    connection._host = host  # type: ignore[attr-defined]  # by which TLS knows the server
    with _cut_after(connection, seconds), closing(connection):
        code, _ = connection.connect(host, port)
        if code != READY:
            raise smtplib.SMTPConnectError(code, b"")
        connection.ehlo()
        # A password needs an encrypted connection; without a password, a server on this machine may lack encryption.
        if not is_secured and (connection.has_extn("starttls") or parts.username):
            connection.starttls(context=context)
        yield connection
        with suppress(smtplib.SMTPException):
            connection.quit()


@contextmanager
def _cut_after(connection: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """Close the connection after this time, even while it is in use.

    The timeout of a socket applies to one read, and a reply may have any number of lines: a server that sends one line
    now and then would hold up all other notifications.
    """
    over = threading.Event()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            wait = 0.5

    threading.Thread(target=watch, name="mail-watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()
