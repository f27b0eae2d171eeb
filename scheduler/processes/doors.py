"""The front doors of a process: the one for people and programs, and the gateway's, if it has one of its own."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Thread

from pydantic import SecretStr

from scheduler.actions.access.signing_in import is_nobody_there
from scheduler.web.access import is_loopback
from scheduler.web.app import make_app, make_webhook_app
from scheduler.web.checkup import Examine
from scheduler.web.first_run import FirstRun
from scheduler.web.serving import FrontDoor, listen, url_of
from worker.runtime import Runtime
from worker.settings.settings import PREFIX, Settings, SettingsError

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets of the doors; None: there is no such door."""

    front: socket.socket | None = None
    webhook: socket.socket | None = None


def listeners(settings: Settings, *, otherwise: str = "") -> Listeners:
    """Listen where the settings say. `otherwise`: where the front door is if they do not. Raises `SettingsError`."""
    front, apart = settings.http or otherwise, settings.webhook_http
    return Listeners(listen(front) if front else None, listen(apart, f"{PREFIX}WEBHOOK_HTTP") if apart else None)


@contextmanager
def open_doors(
    runtime: Runtime, at: Listeners, key: SecretStr | None, tell: Tell, examine: Examine | None = None
) -> Iterator[list[FrontDoor]]:
    """Answer requests while the block runs. `tell` gets what the person who started the process has to know.

    `examine` checks the installation for those who ask.

    Raises `SettingsError` for a front door that others reach, and that nobody could open.
    """
    with ExitStack() as opened:
        doors = []
        for listener in (at.front, at.webhook):
            if listener is not None:
                opened.callback(listener.close)  # also if this is refused before its door has opened
        if at.front is not None:
            from scheduler.web.desk.rendering import compile_templates  # here, because only who listens needs it

            first, is_local = _first_run(runtime, at.front), _is_local(at.front)
            if first is not None:
                tell(
                    f"there are no users yet; sign in with this link within 15 minutes: {url_of(at.front)}{first.path}"
                )
            has_webhook = at.webhook is None
            app = make_app(runtime, key, first=first, is_local=is_local, has_webhook=has_webhook, examine=examine)
            doors.append(opened.enter_context(FrontDoor(app, at.front)))
            Thread(target=compile_templates, name="templates", daemon=True).start()
        if at.webhook is not None:
            doors.append(opened.enter_context(FrontDoor(make_webhook_app(runtime, key), at.webhook)))
        yield doors


def _is_local(listener: socket.socket) -> bool:
    return is_loopback(listener.getsockname()[0])


def _first_run(runtime: Runtime, listener: socket.socket) -> FirstRun | None:
    """Return what lets the first person in; None: there are users."""
    settings = runtime.settings
    if settings.trusted_user_header and not settings.trusted_proxies:
        sentence = "CAMPAIGNS_TRUSTED_USER_HEADER needs CAMPAIGNS_TRUSTED_PROXIES: the addresses that may set it"
        raise SettingsError(sentence)
    if not is_nobody_there(runtime.store):
        return None
    if not _is_local(listener):
        host, port = listener.getsockname()[:2]
        raise SettingsError(
            f"CAMPAIGNS_HTTP can be reached from other machines at {host}:{port}, and there are no users: add one with "
            "`campaigns users add NAME --role admin`; or, if others need only the gateway's webhook, set "
            f"CAMPAIGNS_WEBHOOK_HTTP={host}:{port} instead of CAMPAIGNS_HTTP"
        )
    return FirstRun(runtime.clock)
