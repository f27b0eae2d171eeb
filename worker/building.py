"""Makes all the real things that the product works with, in one place."""

import gc
from contextlib import ExitStack
from typing import Final

from pydantic import SecretStr

from campaigns.clock import Clock, SystemClock
from worker import tracing
from worker.database import marker_of, open_store, require_privacy, watch_database
from worker.definitions import Definitions
from worker.gateway import GatewayClient, SendOutcome
from worker.gateway_account import SANDBOX_ACCOUNT, account_fingerprint, gateway_key
from worker.jobs import in_process_queue
from worker.limits.batch_limits import Limits
from worker.limits.ledger import StoreLedger
from worker.limits.live_limits import live_ceilings
from worker.limits.live_prices import LivePrices
from worker.marker import read_mark
from worker.memory import share_heaps
from worker.runtime import Runtime
from worker.sending.dispatch import Dispatcher
from worker.servers.durability import require_durable
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings, SettingsError
from worker.store.relocation.handover import require_here
from worker.store.relocation.installation import ensure_installation
from worker.store.sending import accounts
from worker.throttle import InMemoryThrottle, Ledger, Throttle

COLLECTS: Final = (700, 10, 10)
"""When what works for long collects garbage: Python's own figures. A command begins with larger ones."""


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
        troubles = troubles or Troubles(clock)
        store = open_store(settings, troubles)
        undo.callback(store.close)
        require_durable(store)
        require_here(store)
        require_privacy(store, settings)
        marker = marker_of(settings, store, on_redis=on_redis)
        mark = read_mark(marker)
        with store.write("account") as session:
            account_id = accounts.ensure_account(session, account_key)
            name = ensure_installation(session, now=clock.now())
            is_behind = mark.is_ahead(installation=name, last_attempt_id=accounts.last_attempt_id(session))
            if is_behind:
                reason = accounts.QUARANTINED_REHEARSAL if sandbox else ""
                accounts.quarantine(session, account_id, now=clock.now(), reason=reason)
        watch_database(store, marker, name, is_behind=is_behind)
        ceilings = live_ceilings(store, account_id, settings, clock, troubles)
        undo.pop_all()
    ledger = StoreLedger(store, account_id)
    definitions = Definitions(store)
    prices = LivePrices(settings.prices, clock)
    dispatcher = Dispatcher(
        store=store,
        definitions=definitions,
        gateway=gateway,
        throttle=_throttle(settings, clock, ledger, on_redis=on_redis),
        clock=clock,
        settings=settings,
        limits=Limits(account_key, settings.zone),
        ceilings=ceilings,
        prices=prices,
        marker=marker,
        troubles=troubles,
    )
    if on_redis and shared_queue:
        from worker.redis_jobs import redis_queue

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
        prices=prices,
        only_runs=only_runs,
        troubles=troubles,
    )


def _throttle(settings: Settings, clock: Clock, ledger: Ledger, *, on_redis: bool) -> Throttle:
    if not on_redis:
        return InMemoryThrottle(clock, ledger)
    from worker.throttle.redis import RedisThrottle, connect_for_throttle

    return RedisThrottle(connect_for_throttle(settings.redis_url), ledger)
