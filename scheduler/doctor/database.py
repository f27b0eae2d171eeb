"""The database: durable, of this version, and who works on it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from campaigns.alerts.conditions import Severity
from campaigns.counting import amount
from campaigns.display import utc
from campaigns.policy import NO_POLICY, Policy
from campaigns.timing.sending_hours import hours_of
from scheduler.actions.reading.alerts import read_alerts
from scheduler.actions.reading.system import read_processes
from scheduler.doctor.findings import Area, Finding, in_trouble, ok, problem, unknown, warning
from scheduler.processes.leader import lock_holder
from worker.definitions import Definitions
from worker.marker import Marker, read_mark
from worker.servers.conditions import REHEARSE_ANEW
from worker.servers.durability import require_durable
from worker.settings.files import SettingsError
from worker.store import health
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.forgetting.erasing import count_asked_for
from worker.store.people import erased
from worker.store.relocation.installation import installation_name
from worker.store.sending.accounts import last_attempt_id
from worker.store.sending.queue import drainable_runs

WAITS_TOO_LONG: Final = timedelta(seconds=120)
"""A batch that has been due for longer than this waits for nothing: the drain tick takes 0.1 s, a lost job 60 s."""


def check_durability(store: Store) -> Iterator[Finding]:
    """Check whether a commit survives a power cut."""
    seen = health.durability(store)
    shown = ", ".join(f"{name} = {value}" for name, value in seen.items())
    try:
        require_durable(store)
    except StoreError as error:
        yield problem(
            Area.DATABASE,
            str(error),
            "put the database on a local disk, or correct the setting it names, then check again",
        )
        return
    if store.is_sqlite and seen["journal_mode"] != "wal":
        yield problem(
            Area.DATABASE,
            f"SQLite cannot keep a write-ahead log here ({shown})",
            "put the database on a local disk: network file systems do not support one",
        )
    elif not store.is_sqlite and "off" in (seen["fsync"], seen["full_page_writes"]):
        yield problem(
            Area.DATABASE,
            f"PostgreSQL may lose confirmed data in a power cut ({shown})",
            "set fsync and full_page_writes to on in its configuration and restart it",
        )
    else:
        yield ok(Area.DATABASE, f"committed data survives a power cut ({shown})")


def check_replica(store: Store) -> Iterator[Finding]:
    """Check whether pages and reports can be read from the replica, if there is one."""
    if store.replica is None:
        return
    lag = store.replica_lag_seconds()
    with store.from_replica().read():
        trouble = store.replica.trouble
    if trouble is not None:
        yield from filter(None, [in_trouble(Area.DATABASE, trouble)])
    elif lag is None:
        yield unknown(Area.DATABASE, "the database's replica cannot be compared with it", "correct the problems above")
    else:
        yield ok(Area.DATABASE, f"the database's replica shows what was committed (it was {lag:.1f} s behind)")


def check_privacy(store: Store) -> Iterator[Finding]:
    """Check whether those who were erased can be recognised, if anybody was."""
    try:
        with store.read() as session:
            any_erased = erased.any_known(session)
            erased.require_key(session)
            waiting = count_asked_for(session)
    except (StoreError, SettingsError) as error:
        yield problem(Area.DATABASE, str(error), "until then nothing is planned")
        return
    if waiting:
        yield unknown(
            Area.DATABASE,
            f"{amount(waiting, 'person', 'people')} cannot be erased yet",
            "the service erases them once their texts are settled; campaigns erase says what each waits for",
        )
    elif any_erased:
        yield ok(Area.DATABASE, "people who were erased are recognised by the key of their hashes")


def check_schema(store: Store) -> Iterator[Finding]:
    """Check whether the schema is the one of this version."""
    schema = health.schema(store)
    if schema.current == schema.head:
        yield ok(Area.DATABASE, f"the schema is up to date ({schema.head})")
    elif not schema.is_known:
        yield problem(
            Area.DATABASE,
            f"the schema {schema.current} was made by a newer version",
            "upgrade this program to the version that made it",
        )
    else:
        yield problem(
            Area.DATABASE,
            f"the schema is at {schema.current or 'nothing'}, not at {schema.head}",
            "run: campaigns migrate",
        )


def check_mark(store: Store, marker: Marker, *, rehearsal: bool = False) -> Iterator[Finding]:
    """Check whether the database is the one that texts were sent from, and knows all of them."""
    mark = read_mark(marker)
    with store.read() as session:
        name, last = installation_name(session), last_attempt_id(session)
    if mark.is_ahead(installation=name, last_attempt_id=last):
        yield problem(
            Area.DATABASE,
            "more was sent than this database knows: it was lost, replaced, or restored from a backup",
            _mending(rehearsal=rehearsal),
        )
    elif not mark.attempt_id:
        yield ok(Area.DATABASE, "no mark beside the database says how far it is: only the inbox would show a loss")
    else:
        yield ok(Area.DATABASE, "the database knows everything that was sent from it, according to the mark beside it")


def check_alerts(store: Store) -> Iterator[Finding]:
    """Report the alerts that are raised."""
    for alert in read_alerts(store):
        if not alert.rehearsal:
            found = problem if alert.severity is Severity.PAGE else warning
            yield found(Area.SERVICE, f"alert {alert.name.value}: {alert.says}", "deploy/ALERTS.md says what to do")


def check_leader(store: Store) -> Iterator[Finding]:
    """Report who runs the clock."""
    holder = lock_holder(store)
    if holder is None:
        yield ok(Area.SERVICE, "nothing runs the clock now; start `campaigns up` or `campaigns scheduler`")
    else:
        yield ok(Area.SERVICE, f"the clock is run by {holder}")


def check_processes(store: Store, now: datetime) -> Iterator[Finding]:
    """Report which processes are there, and those that fell silent."""
    found = read_processes(store, now=now)
    for each in found:
        since, seen = (utc(at.replace(microsecond=0)) for at in (each.started_at, each.seen_at))
        said = f"`campaigns {each.role}` {each.version} (process {each.pid} on {each.host}) runs since {since}"
        if each.is_silent:
            yield warning(
                Area.SERVICE,
                f"{said}, but has not been heard since {seen}",
                "look whether it still runs, and read its log; one that was killed is forgotten after a day",
            )
        else:
            yield ok(Area.SERVICE, said)
    if len(versions := {each.version for each in found if not each.is_silent}) > 1:
        yield warning(
            Area.SERVICE,
            f"processes of several versions work together: {', '.join(sorted(versions))}",
            "restart the older ones",
        )


def check_backlog(
    store: Store, account_id: int, now: datetime, jobs: int | None, policy: Policy = NO_POLICY
) -> Iterator[Finding]:
    """Check whether what is due is being sent. `jobs`: how many the shared queue holds; None: no such queue."""
    definitions = Definitions(store)
    with store.read() as session:
        sending = drainable_runs(session, account_id)
    open_runs = []
    for run_id, definition_id in sending:
        definition = definitions.get(definition_id)
        hours = hours_of(definition.schedule, within=policy.hours_in_force(definition))
        if hours is None or hours.allowed(now):
            open_runs.append(run_id)
    with store.read() as session:
        waiting = health.backlog(session, account_id, open_runs, now=now)
    in_redis = "" if jobs is None else f", {jobs:,} jobs in Redis"
    shown = f"{waiting.due:,} batches are due, {waiting.queued:,} are in the queue{in_redis}"
    # Of a slow campaign most is due all the time: while requests are made, it has its turn.
    unserved_since = waiting.due_since and max(waiting.due_since, waiting.served_at or waiting.due_since)
    if unserved_since is not None and now - unserved_since > WAITS_TOO_LONG:
        yield problem(
            Area.SERVICE,
            f"{shown}; the first has been due for {_minutes(now - unserved_since)} and nothing picks it up",
            "start `campaigns up` or a `campaigns scheduler`, or read its log",
        )
    elif waiting.queued_since is not None and now - waiting.queued_since > WAITS_TOO_LONG:
        yield problem(
            Area.SERVICE,
            f"{shown}; the first has been in it for {_minutes(now - waiting.queued_since)}",
            "start a `campaigns worker`, or read its log",
        )
    else:
        yield ok(Area.SERVICE, shown)


def nothing_yet() -> Finding:
    """There is no database to check."""
    return unknown(Area.DATABASE, "there is no database yet", "the first campaign makes it, or: campaigns migrate")


def gone(*, rehearsal: bool) -> Finding:
    """There is no database to check, but there was one."""
    return problem(
        Area.DATABASE,
        "the database is no longer there, and texts were sent from it",
        _mending(rehearsal=rehearsal),
    )


def _mending(*, rehearsal: bool) -> str:
    """Return what to do about a lost database. A rehearsal has no gateway to ask."""
    if rehearsal:
        return REHEARSE_ANEW
    return "stop the service, put the right database back if you have it, and run: campaigns recover"


def _minutes(age: timedelta) -> str:
    return f"{age // timedelta(minutes=1):,} minutes"
