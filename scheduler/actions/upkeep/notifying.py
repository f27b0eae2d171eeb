"""`notify`: who is notified of what campaigns do, and whether notifications reach them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler.actions.acting import Actor, asked_by
from scheduler.notifications.delivery import send_test, where
from scheduler.notifications.targets import Target, everywhere, of_settings
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Listener:
    """A target of notifications: how (a `Channel`) and where, without secrets.

    `problem`: why the test notification failed; empty if it succeeded, or if none was tried.
    """

    channel: str
    where: str
    problem: str = ""


def listeners(settings: Settings) -> list[Listener]:
    """Return the targets in the settings; webhooks of campaign files are not among them."""
    return [Listener(str(target[0]), where(target)) for target in _targets(settings)]


def tell_test(settings: Settings, actor: Actor, *, now: datetime) -> list[Listener]:
    """Send each of them the event `test` once, one after the other."""
    with asked_by(actor):
        return [
            Listener(str(target[0]), where(target), send_test(settings, target, now)) for target in _targets(settings)
        ]


def _targets(settings: Settings) -> Sequence[Target]:
    return [*of_settings(settings), *everywhere(settings)]
