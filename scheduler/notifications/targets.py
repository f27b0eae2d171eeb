"""Who is notified of what."""

from collections.abc import Iterator
from enum import StrEnum
from typing import TypeAlias

from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.notifications import outbox
from worker.store.runs import runs

Target: TypeAlias = tuple[str, str]
"""Channel and address, as a notice has them."""


class Channel(StrEnum):
    """How a notice is sent."""

    WEBHOOK = "webhook"
    REPLY_WEBHOOK = "reply_webhook"
    EMAIL = "email"
    COMMAND = "command"


COMMAND: Target = (Channel.COMMAND, "command")
"""The command comes from the settings, never from a row: write access to the database must not run programs."""


def of_settings(settings: Settings) -> Iterator[Target]:
    """Yield the webhooks of the settings."""
    if address := settings.report_webhook.get_secret_value():
        yield Channel.WEBHOOK, address
    if address := settings.reply_webhook.get_secret_value():
        yield Channel.REPLY_WEBHOOK, address


def everywhere(settings: Settings) -> Iterator[Target]:
    """Yield the targets that hear about every campaign."""
    if settings.mail_server().get_secret_value():
        yield from ((Channel.EMAIL, address) for address in settings.notify_email)
    if settings.notify_command:
        yield COMMAND


def of_run(runtime: Runtime, definition_id: int) -> set[Target]:
    """Return who hears about a run: the webhook of its file, or else of the settings, and all general targets."""
    own = runtime.definitions.get(definition_id).report.webhook
    return {*_webhook(own or runtime.settings.report_webhook.get_secret_value()), *everywhere(runtime.settings)}


def of_installation(runtime: Runtime) -> set[Target]:
    """Return who hears about what concerns no single campaign: the webhook of the settings, and all targets."""
    return {*_webhook(runtime.settings.report_webhook.get_secret_value()), *everywhere(runtime.settings)}


def of_account(runtime: Runtime, account_id: int) -> set[Target]:
    """Return who hears that sending has stopped: all targets, and the webhooks of the campaigns being sent."""
    return {
        *of_installation(runtime),
        *(target for id_ in _definitions_at_work(runtime.store, account_id) for target in of_run(runtime, id_)),
    }


def _webhook(address: str) -> Iterator[Target]:
    if address:
        yield Channel.WEBHOOK, address


def _definitions_at_work(store: Store, account_id: int) -> set[int]:
    with store.read() as session:
        return {runs.run_view(session, run_id).definition_id for run_id in outbox.runs_at_work(session, account_id)}
