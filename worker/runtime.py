"""All the real things that the product works with, made in one place."""

import gc
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from pydantic import SecretStr

from campaigns.clock import Clock, SystemClock
from worker import tracing
from worker.definitions import Definitions
from worker.gateway import GatewayClient, SendOutcome
from worker.jobs import JobQueue, in_process_queue, redis_queue
from worker.limits.batch_limits import Limits
from worker.limits.ledger import StoreLedger
from worker.limits.limits_in_force import CeilingsInForce
from worker.limits.live_limits import live_ceilings
from worker.marker import FileMarker, Marker, NoMarker, beside, is_ahead
from worker.memory import share_heaps
from worker.sending.dispatch import Dispatcher
from worker.servers.durability import require_durable
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings, SettingsError
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.relocation.handover import require_here
from worker.store.relocation.installation import ensure_installation
from worker.store.same_database import MIXED, Belonging
from worker.store.sending import accounts
from worker.throttle import InMemoryThrottle, Ledger, Throttle

COLLECTS: Final = (700, 10, 10)
"""When what works for long collects garbage: Python's own figures. A command begins with larger ones."""

SANDBOX_ACCOUNT: Final = "sandbox"


@dataclass(frozen=True)
class Runtime:
    """The real things, without any memory of past calls: each tick keeps its own.

    `only_runs`: work on these runs alone (`campaigns run`); None: on every run of the account.
    """

    settings: Settings
    store: Store
    clock: Clock
    gateway: GatewayClient
    queue: JobQueue
    definitions: Definitions
    marker: Marker
    account_id: int
    rehearsal: bool
    ceilings: CeilingsInForce
    only_runs: frozenset[int] | None = None
    troubles: Troubles = field(default_factory=Troubles)
    installation: str = ""  # the database's name; empty for a rehearsal, which leaves nothing that counts

    def includes(self, run_id: int) -> bool:
        """Return whether this process works on the run."""
        return self.only_runs is None or run_id in self.only_runs

    def close(self) -> None:
        """Finish what is under way and release everything."""
        self.queue.stop()
        self.gateway.close()
        self.store.close()
        gc.unfreeze()


def open_store(settings: Settings) -> Store:
    """Return the database with its schema up to date. Raises `StoreError`."""
    store = Store(settings.database_url)
    try:
        migrate(store)
    except Exception:
        store.close()
        raise
    return store


def gateway_key(settings: Settings, *, url: str) -> SecretStr:
    """Return the API key. Raises `SettingsError` if the address or the key is missing."""
    if not url:
        raise SettingsError(
            "no gateway is set: set CAMPAIGNS_GATEWAY_URL and CAMPAIGNS_API_KEY (environment or .env); "
            "without one, `campaigns run FILE --sandbox` rehearses"
        )
    key = settings.key()
    if not key.get_secret_value():
        raise SettingsError(
            "no API key is set: set CAMPAIGNS_API_KEY, or CAMPAIGNS_API_KEY_FILE to a file that holds it"
        )
    return key


def account_fingerprint(url: str) -> str:
    """Return what identifies a gateway's account: its address, so that a new API key is the same account."""
    return sha256(url.rstrip("/").encode()).hexdigest()[:16]


def build_runtime(
    settings: Settings,
    *,
    sandbox: tuple[str, SecretStr] | None = None,
    shared_queue: bool = True,
    only_runs: frozenset[int] | None = None,
    clock: Clock | None = None,
    troubles: Troubles | None = None,
) -> Runtime:
    """Make everything real. `sandbox`: (address, key) of a private sandbox that replaces the gateway.

    Queue and throttle are on Redis if one is set; with `shared_queue=False` the queue still belongs to this process
    alone. Raises `SettingsError` or `StoreError`.
    """
    share_heaps()
    tracing.begin()
    clock = clock or SystemClock()
    url, key = sandbox or (settings.gateway_url, gateway_key(settings, url=settings.gateway_url))
    account_key = SANDBOX_ACCOUNT if sandbox else account_fingerprint(url)
    nothing = settings.texts_for_nothing
    learned = {text: SendOutcome(meaning) for text, meaning in settings.error_texts.items() if text not in nothing}
    try:
        gateway = GatewayClient(url, key, clock=clock, learned=learned, nothing=nothing, ca_file=settings.ca_file)
    except ValueError as error:
        raise SettingsError(f"CAMPAIGNS_GATEWAY_URL: {error}") from None
    on_redis = bool(settings.redis_url) and sandbox is None
    with ExitStack() as undo:  # a service whose database is not there yet tries this many times
        undo.callback(gateway.close)
        store = open_store(settings)
        undo.callback(store.close)
        require_durable(store)
        require_here(store)
        marker = marker_of(settings, store, on_redis=on_redis)
        with store.write("account") as session:
            account_id = accounts.ensure_account(session, account_key)
            name = ensure_installation(session, now=clock.now())
            is_behind = is_ahead(marker, installation=name, last_attempt_id=accounts.last_attempt_id(session))
            if is_behind:
                reason = accounts.QUARANTINED_REHEARSAL if sandbox else ""
                accounts.quarantine(session, account_id, now=clock.now(), reason=reason)
        watch_database(store, marker, name, is_behind=is_behind)
        troubles = troubles or Troubles(clock)
        ceilings = live_ceilings(store, account_id, settings, clock, troubles)
        undo.pop_all()
    ledger = StoreLedger(store, account_id)
    definitions = Definitions(store)
    dispatcher = Dispatcher(
        store=store,
        definitions=definitions,
        gateway=gateway,
        throttle=_throttle(settings, clock, ledger, on_redis=on_redis),
        clock=clock,
        settings=settings,
        limits=Limits(account_key, settings.zone),
        ceilings=ceilings,
        marker=marker,
        troubles=troubles,
    )
    if on_redis and shared_queue:
        queue = redis_queue(settings.redis_url, dispatcher.dispatch, troubles)
    else:
        queue = in_process_queue(dispatcher.dispatch, troubles)
    gc.set_threshold(*COLLECTS)
    # What is loaded stays: planning 100,000 people visited all of it three times, for a tenth of its CPU time.
    gc.freeze()
    return Runtime(
        settings=settings,
        store=store,
        clock=clock,
        gateway=gateway,
        queue=queue,
        definitions=definitions,
        marker=marker,
        account_id=account_id,
        rehearsal=sandbox is not None,
        installation="" if sandbox else name,
        ceilings=ceilings,
        only_runs=only_runs,
        troubles=troubles,
    )


def watch_database(store: Store, marker: Marker, name: str, *, is_behind: bool) -> None:
    """Let the store notice when its database is another one, and keep the mark so that the next process is quarantined.

    `is_behind`: the mark is ahead of the database from the start, which the quarantine reports.
    """
    marker.adopt(name)

    def promised() -> int:
        return marker.promised() if is_behind else max(marker.promised(), marker.read())

    store.belongs(Belonging(name, promised), lambda loss: marker.keep(loss in MIXED))


def _throttle(settings: Settings, clock: Clock, ledger: Ledger, *, on_redis: bool) -> Throttle:
    if not on_redis:
        return InMemoryThrottle(clock, ledger)
    from worker.throttle.redis import RedisThrottle, connect_for_throttle

    return RedisThrottle(connect_for_throttle(settings.redis_url), ledger)


def marker_of(settings: Settings, store: Store, *, on_redis: bool) -> Marker:
    """Return the mark that says how far the database of the settings was."""
    if on_redis:
        from worker.redis_marker import REDIS_KEY, RedisMarker
        from worker.throttle.redis import connect_for_throttle

        return RedisMarker(connect_for_throttle(settings.redis_url), REDIS_KEY)
    path = store.sqlite_path
    return NoMarker() if path is None else FileMarker(beside(path))
