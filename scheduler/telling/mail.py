"""Sending e-mail through the mail server of the settings."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from scheduler.telling.outcome import TAKEN, Outcome
from worker.trust import certificate_problem, trusting

TIMEOUT_SECONDS: Final = 10.0
PORTS: Final = {"smtp": 587, "smtps": 465}


def server_problem(server: SecretStr) -> str:
    """What is wrong with the form of the mail server's address; empty if nothing is."""
    try:
        parts = urlsplit(server.get_secret_value())
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    return "" if usable else "must be smtp://host:port (STARTTLS) or smtps://host:port, with user:password@ if needed"


def send_mail(server: SecretStr, to: str, subject: str, text: str, *, id_: str, ca_file: Path | None = None) -> Outcome:
    """One letter to one person. `id_` names it: a mailbox may then show a repeated one once.

    Raises `SettingsError` for a `ca_file` that cannot be used.
    """
    problem = server_problem(server)
    if problem:
        return Outcome(f"CAMPAIGNS_SMTP_URL {problem}", is_away=True)
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
        with _connected(parts, trusting(ca_file)) as connection:
            if user:
                connection.login(user, password)
            connection.send_message(letter)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError):
        return Outcome("the mail server refused it")
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        refused = certificate_problem(error)
        why = f"its certificate is not trusted: {refused}" if refused else type(error).__name__
        return Outcome(f"the mail server could not be used ({why})", is_away=True)
    return TAKEN


def _connected(parts: SplitResult, context: ssl.SSLContext) -> smtplib.SMTP:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if parts.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    connection = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.ehlo()
        # A password goes over an encrypted connection only; without one a server on this machine may have none.
        if connection.has_extn("starttls") or parts.username:
            connection.starttls(context=context)
    except BaseException:
        connection.close()
        raise
    return connection
