"""The targets of notifications: whether their settings can be used. Nobody is called."""

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from campaigns.values.addresses import address_problem
from scheduler.doctor.findings import Area, Finding, ok, problem, unknown, warning
from scheduler.doctor.surroundings import is_local
from scheduler.notifications.mail import server_problem
from scheduler.notifications.signing import signing_keys
from worker.settings.settings import Settings, SettingsError


def check_targets(settings: Settings) -> Iterator[Finding]:
    """Check the form of every target that is set; yields nothing if none is."""
    found = [*_webhooks(settings), *_mail(settings), *_command(settings)]
    if found:
        yield from found
        if all(finding.standing.value == "ok" for finding in found):
            yield ok(Area.SETTINGS, "to test who is notified, run: campaigns notify --test")


def _webhooks(settings: Settings) -> Iterator[Finding]:
    addresses = {
        "CAMPAIGNS_REPORT_WEBHOOK": settings.report_webhook.get_secret_value(),
        "CAMPAIGNS_REPLY_WEBHOOK": settings.reply_webhook.get_secret_value(),
    }
    for name, address in addresses.items():
        wrong = address and address_problem(address, allow_private=True)
        if wrong:
            yield problem(Area.SETTINGS, f"{name} cannot be called: {wrong}", "write https://host/path")
        elif (parts := urlsplit(address)).scheme.lower() == "http" and not is_local(parts.hostname or ""):
            says = f"traffic to {name} is not encrypted"
            yield warning(Area.SETTINGS, says, "use https, or a network with only these machines on it")
        elif address:
            yield ok(Area.SETTINGS, f"{name} is an address that can be called")
    yield from _secret(settings, is_needed=any(addresses.values()))


def _secret(settings: Settings, *, is_needed: bool) -> Iterator[Finding]:
    secret = settings.signing_secret()
    try:
        keys = signing_keys(secret)
    except SettingsError as error:
        yield problem(Area.SETTINGS, str(error), "no webhook is called until then")
        return
    if is_needed and keys is None:
        yield unknown(
            Area.SETTINGS,
            "webhook calls are not signed",
            "set CAMPAIGNS_WEBHOOK_SECRET, and make the receiver check the signature",
        )


def _mail(settings: Settings) -> Iterator[Finding]:
    server = settings.mail_server()
    if not server.get_secret_value():
        if settings.notify_email:
            yield problem(
                Area.SETTINGS, "CAMPAIGNS_NOTIFY_EMAIL is set, but no mail server", "set CAMPAIGNS_SMTP_URL as well"
            )
        return
    wrong = server_problem(server)
    if wrong:
        yield problem(Area.SETTINGS, f"CAMPAIGNS_SMTP_URL {wrong}", "correct it")
    elif not settings.notify_email:
        yield problem(
            Area.SETTINGS, "CAMPAIGNS_SMTP_URL is set, but no addresses", "set CAMPAIGNS_NOTIFY_EMAIL as well"
        )
    else:
        yield ok(Area.SETTINGS, "mail server and addresses for e-mail are set")


def _command(settings: Settings) -> Iterator[Finding]:
    if not settings.notify_command:
        return
    if shutil.which(settings.notify_command[0]) is None:
        yield problem(
            Area.SETTINGS,
            "the program in CAMPAIGNS_NOTIFY_COMMAND does not exist, or may not be run",
            "write its full path, and make it executable",
        )
    else:
        yield ok(Area.SETTINGS, "the program in CAMPAIGNS_NOTIFY_COMMAND is there")
