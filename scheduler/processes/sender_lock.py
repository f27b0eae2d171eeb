"""Which processes may send from one database at the same time, and what the others are told."""

from typing import Final

from scheduler.processes.leader import FileLock, LeaderLock, leader_lock
from scheduler.processes.stopping import Stop
from worker.runtime import Runtime
from worker.settings.settings import Settings, SettingsError
from worker.store import leases

STANDBY_SECONDS: Final = 2.0
"""How often a waiting scheduler checks whether the lock is free: the lease lasts 10 s, so another leads after 12."""

PATIENCE_SECONDS: Final = leases.LEASE.total_seconds() + STANDBY_SECONDS
"""How long a process that has to be alone waits for the lease of one that was killed."""


def require_redis(settings: Settings, role: str = "") -> None:
    """Raise `SettingsError` if Redis is not set although a separate `role` needs it, or if it does not answer."""
    if role and not settings.redis_url:
        raise SettingsError(
            f"a separate {role} needs a shared queue: set CAMPAIGNS_REDIS_URL, "
            "or run everything in one process with `campaigns up`"
        )
    from redis import RedisError  # 140 modules that nobody without Redis needs

    from worker.throttle.redis import connect_for_throttle

    try:
        with connect_for_throttle(settings.redis_url) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise SettingsError(
            f"Redis at CAMPAIGNS_REDIS_URL does not answer ({type(error).__name__}); start it, or correct the address"
        ) from error


def claim_database(runtime: Runtime, stop: Stop | None = None) -> LeaderLock:
    """Return the lock of a process that keeps the rates alone. Raises `SettingsError` if another one already does.

    Once `stop` is set, it waits no longer, and does not hold the lock.

    Two of them would each keep the rate, and together send at twice the rate. If queue and throttle are in Redis, any
    number of processes keep the rates together: the lock is then left for the process that runs the clock.
    """
    lock = leader_lock(runtime.store, runtime.troubles, rehearsal=runtime.rehearsal)
    if is_shared(runtime):
        return lock
    # The lease of a killed process lasts a little longer; the system releases a file lock at once.
    until = runtime.clock.elapsed_seconds() + (0 if isinstance(lock, FileLock) else PATIENCE_SECONDS)
    while not lock.acquire() and not (stop and stop.is_set()):
        if runtime.clock.elapsed_seconds() >= until:
            raise SettingsError(taken(runtime, lock.holder()))
        runtime.clock.sleep(STANDBY_SECONDS / 4)
    return lock


def taken(runtime: Runtime, holder: str) -> str:
    """Return the message for a process that cannot use the database because another one (`holder`) does."""
    if runtime.store.is_sqlite:
        return (
            f"another process ({holder or 'unknown'}) works on the database {runtime.store.sqlite_path}; "
            "stop it first, or drop the file into its inbox"
        )
    return (
        f"another process ({holder or 'unknown'}) works on the database in CAMPAIGNS_DATABASE_URL; "
        "stop it first, or set CAMPAIGNS_REDIS_URL for both, so that they share queue and rates"
    )


def is_shared(runtime: Runtime) -> bool:
    """Return whether several processes may send from the database: they then share one queue and one throttle."""
    return bool(runtime.settings.redis_url) and not runtime.rehearsal and not runtime.store.is_sqlite
