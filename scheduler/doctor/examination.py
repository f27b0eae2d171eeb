"""The order of the doctor's checks: the first failure explains those that follow."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from campaigns.clock import Clock
from scheduler.doctor import (
    clocks,
    database,
    gateway,
    inbox,
    money,
    notices,
    protocol,
    redis_server,
    replies,
    surroundings,
)
from scheduler.doctor.findings import Area, Finding, Standing, in_trouble, ok, problem, unknown
from scheduler.processes.rehearsal import PROFILE, ledger_path, private_sandbox, rehearsal_settings
from worker.database import marker_of
from worker.gateway import GatewayClient
from worker.gateway_account import SANDBOX_ACCOUNT, account_fingerprint, gateway_key
from worker.marker import FileMarker, beside
from worker.sandbox.running.options import SandboxOptions
from worker.servers.checks import look_at_database
from worker.servers.conditions import ServerTrouble, detail_of
from worker.settings.privacy import privacy_key
from worker.settings.settings import Settings, SettingsError, load_settings
from worker.store import health
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.throttle.redis import connect_for_throttle


def examine(clock: Clock, *, sandbox: bool = False, running: tuple[str, SecretStr] | None = None) -> Iterator[Finding]:
    """Run all checks, finding by finding; `sandbox`: with a private one as the gateway. Raises `SandboxError`.

    `running`: (address, key) of a private sandbox that already runs.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        yield problem(Area.SETTINGS, str(error), "correct it and check again")
        return
    if not sandbox and running is None:
        yield from _examine(settings, None, clock)
        return
    settings = rehearsal_settings(settings)
    if running is not None:
        yield from _examine(settings, running, clock)
        return
    try:
        # The ledger of an earlier rehearsal is read, but no new one is begun.
        options = None if ledger_path(settings).exists() else SandboxOptions(profile=PROFILE)
    except StoreError as error:
        yield _unusable_address(error)
        return
    with private_sandbox(settings, options) as gateway:
        yield from _examine(settings, gateway, clock)


def _examine(settings: Settings, sandbox: tuple[str, SecretStr] | None, clock: Clock) -> Iterator[Finding]:
    """`sandbox`: (address, key) of a sandbox used as the gateway."""
    yield from _all_but_surroundings(settings, sandbox, clock)
    yield from surroundings.check_surroundings(settings, sandbox[0] if sandbox else settings.gateway_url)


def _all_but_surroundings(settings: Settings, sandbox: tuple[str, SecretStr] | None, clock: Clock) -> Iterator[Finding]:
    client, findings = _gateway_of(settings, sandbox, clock)
    yield from findings
    yield from money.check_money(settings, clock.now())
    yield from _targets(settings)
    url = sandbox[0] if sandbox else settings.gateway_url
    key = SANDBOX_ACCOUNT if sandbox else account_fingerprint(url)
    try:
        store = Store(settings.database_url, settings.read_database_url, privacy_key=privacy_key(settings))
    except StoreError as error:
        yield _unusable_address(error)
        return
    with closing(store):
        usable, findings = _database(store, rehearsal=sandbox is not None)
        if usable:
            findings += database.check_replica(store)
            findings += database.check_privacy(store)
        if usable and sandbox is None:
            yield from database.check_alerts(store)
            findings += database.check_processes(store, clock.now())
        yield from findings
        is_gone = store.sqlite_path is not None and not store.sqlite_path.exists()
        is_lost = is_gone and _was_there(store)
        if usable:
            on_redis = bool(settings.redis_url) and sandbox is None
            marker = marker_of(settings, store, on_redis=on_redis)
            marked = list(database.check_mark(store, marker, rehearsal=sandbox is not None))
            yield from marked
            is_lost = any(finding.standing is Standing.PROBLEM for finding in marked)
        known = store if usable else None
        yield from _services(settings, known, key, clock, on_redis=sandbox is None)
        # A rehearsal accepts files sent by any installation; an unreadable database may have written every status.
        if sandbox is None and (usable or is_gone):
            yield from _inbox(settings, known, key, is_lost=is_lost)
        if client is None:
            yield unknown(
                Area.GATEWAY, "the gateway was not checked, because of the settings above", "correct them first"
            )
            return
        with client:
            knows = not is_lost and (usable or is_gone)
            yield from _gateway(client, url, settings.ca_file, known, key, clock, knows=knows)


def _unusable_address(error: StoreError) -> Finding:
    return problem(Area.SETTINGS, str(error), "correct the setting that it names, and check again")


def _targets(settings: Settings) -> Iterator[Finding]:
    try:
        yield from notices.check_targets(settings)
    except SettingsError as error:  # a file with a secret
        yield problem(Area.SETTINGS, str(error), "correct it and check again")


def _gateway_of(
    settings: Settings, sandbox: tuple[str, SecretStr] | None, clock: Clock
) -> tuple[GatewayClient | None, list[Finding]]:
    try:
        url, key = sandbox or (settings.gateway_url, gateway_key(settings, url=settings.gateway_url))
        client = GatewayClient(url, key, clock=clock, nothing=settings.texts_for_nothing, ca_file=settings.ca_file)
    except (SettingsError, ValueError) as error:
        return None, [
            problem(Area.SETTINGS, str(error).rstrip("."), "run: campaigns init (it makes a settings file to fill in)")
        ]
    which = "a private sandbox takes the gateway's place" if sandbox else "the gateway's address and API key are set"
    return client, [ok(Area.SETTINGS, which)]


def _database(store: Store, *, rehearsal: bool) -> tuple[bool, list[Finding]]:
    """Return whether this version can read it, and what was found. A missing SQLite file is not created."""
    path = store.sqlite_path
    if path is not None and not path.exists():
        return False, [database.gone(rehearsal=rehearsal) if _was_there(store) else database.nothing_yet()]
    found: list[Finding] = []
    try:
        found += database.check_durability(store)
        found += database.check_schema(store)
        found += database.check_leader(store)
        look_at_database(store)
    except ServerTrouble as error:  # it can be read
        found += filter(None, [in_trouble(Area.DATABASE, error)])
    except sa.exc.DBAPIError as error:
        reason = f"the database cannot be used ({detail_of(error)})"
        found.append(in_trouble(Area.DATABASE, error) or problem(Area.DATABASE, reason, "check CAMPAIGNS_DATABASE_URL"))
        return False, found
    schema = health.schema(store)
    return schema.current == schema.head, found


def _was_there(store: Store) -> bool:
    """Whether texts were sent from the SQLite file, as the mark beside it knows."""
    return store.sqlite_path is not None and FileMarker(beside(store.sqlite_path)).read() > 0


def _services(settings: Settings, store: Store | None, key: str, clock: Clock, *, on_redis: bool) -> Iterator[Finding]:
    """Check Redis, the queue and the clocks of the servers."""
    jobs = None
    if settings.redis_url and on_redis:
        with closing(connect_for_throttle(settings.redis_url)) as client:
            yield from redis_server.check_redis(client)
            yield from clocks.check_redis_clock(client, clock)
            jobs = redis_server.count_jobs(client)
    else:
        yield ok(Area.REDIS, "Redis is not set: queue and throttle are in the one process that sends")
    if store is None:
        return
    yield from clocks.check_database_clock(store, clock)
    with store.read() as session:
        account_id = health.find_account(session, key)
    if account_id is not None:
        yield from database.check_backlog(store, account_id, clock.now(), jobs, settings.policy)


def _inbox(settings: Settings, store: Store | None, key: str, *, is_lost: bool) -> Iterator[Finding]:
    account_id = None
    if store is not None:
        with store.read() as session:
            account_id = health.find_account(session, key)
    yield from inbox.check_inbox(settings.inbox, store, account_id, is_lost=is_lost)


def _gateway(
    client: GatewayClient,
    url: str,
    ca_file: Path | None,
    store: Store | None,
    key: str,
    clock: Clock,
    *,
    knows: bool,
) -> Iterator[Finding]:
    """The gateway, its account, and what the send protocol assumes of it. `knows`: all that was sent is known."""
    reachable, findings = gateway.check_address(url, ca_file, clock)
    yield from findings
    account_id = None
    if store is not None:
        with store.read() as session:
            account_id = health.find_account(session, key)
        if account_id is not None:
            yield from gateway.check_pause(store, account_id)
            yield from gateway.check_dates(store, account_id)
    unsent, known = 0, []
    if store is not None and account_id is not None:
        since = clock.now() - protocol.LOOK_BACK
        with store.read() as session:
            unsent = health.unsent_texts(session, account_id)
            known = health.known_messages(session, account_id, since=since, most=protocol.MOST_KNOWN)
    if not reachable:
        return
    usable, finding = gateway.check_account(client, unsent=unsent)
    yield finding
    if usable:
        yield from protocol.check_protocol(client, known if known or knows else None, clock.now())
        yield replies.check_reads(client, clock.now())
        if store is not None and account_id is not None:
            yield from replies.check_heard(store, account_id, clock.now())
