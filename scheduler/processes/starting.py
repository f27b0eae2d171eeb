"""How a service begins: it waits for servers that are not up yet, and can be stopped meanwhile."""

import sqlalchemy as sa
from pydantic import SecretStr

from campaigns.clock import SystemClock
from scheduler.processes.sender_lock import require_redis
from scheduler.processes.stopping import Stop
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.servers.conditions import Trouble, trouble_of
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings, SettingsError
from worker.store.errors import StoreError, takes_connections


def started(
    settings: Settings, stop: Stop, *, role: str = "", sandbox: tuple[str, SecretStr] | None = None
) -> Runtime | None:
    """Return the runtime of a service, once its servers are there; None if it is told to stop first.

    In containers and at boot everything starts at once. An error that waiting cannot fix is raised at once; any other
    one if it lasts for `CAMPAIGNS_START_WAIT_SECONDS`: `SettingsError`, `StoreError` or `DBAPIError`. That time begins
    with the first failure: a first look that takes long leaves time for another one. `role`: of a process that needs
    Redis.
    """
    clock = SystemClock()
    troubles = Troubles(clock)
    until: float | None = None
    takes_them = False
    while not stop.is_set():
        try:
            if role or (settings.redis_url and sandbox is None):
                require_redis(settings, role)
            runtime = build_runtime(settings, sandbox=sandbox, troubles=troubles)
        except (SettingsError, StoreError, sa.exc.DBAPIError) as error:
            took_them, takes_them = takes_them, _is_of_client(settings, error)
            if takes_them and not took_them:
                continue  # it may have come up since
            until = until or clock.elapsed_seconds() + settings.start_wait_seconds
            if clock.elapsed_seconds() >= until or takes_them or not _passes(error):
                raise
            stop.wait(troubles.failed("start", error))
            continue
        troubles.worked("start")
        if not stop.is_set():
            return runtime
        runtime.close()
    return None


def _is_of_client(settings: Settings, error: Exception) -> bool:
    """Return whether the database failed though its server takes connections: the login is wrong, for example."""
    return trouble_of(error) is Trouble.DATABASE_AWAY and takes_connections(settings.database_url)


def _passes(error: Exception) -> bool:
    """Return whether a server is merely not up yet."""
    return trouble_of(error) not in {None, Trouble.REDIS_REFUSES, Trouble.DATABASE_DAMAGED, Trouble.DATABASE_FILE}
