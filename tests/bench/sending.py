"""How fast a planned campaign is sent and recorded, compared with a loop that only posts.

Both talk to the same sandbox process (no ledger file) and send the same texts in the same batches.
"""

import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import httpx
import sqlalchemy as sa
from pydantic import SecretStr
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState
from scheduler.intake.taking import read_file, take_up
from scheduler.loop import Clockwork
from scheduler.ticks.table import Ticks
from tests.bench.reporting.results import BenchError, Sent
from tests.bench.reporting.samples import texts, write_campaign
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox
from worker.settings.settings import load_settings
from worker.store.reports.counts import books
from worker.store.runs.runs import run_view
from worker.store.statements import Statement
from worker.store.tables import batches

PACE_PER_SECOND: Final = 1_000_000.0  # phones that never make anybody wait: they are not what is measured
NO_POLLS_SECONDS: Final = 3600.0  # following begins only after the measurement is over
LOOK_SECONDS: Final = 0.05
GIVE_UP_SECONDS: Final = 300.0

# The sender needs the same interpreter: looking took a tenth of it. The last batches are looked at first.
ANY_LEFT: Final = [
    Statement(sa.select(sa.literal(1)).where(batches.c.state != BatchState.ACCEPTED, *where).limit(1))
    for where in ([batches.c.id > sa.select(sa.func.max(batches.c.id) - 20).scalar_subquery()], [])
]


def measure_sending(batch_size: int, recipients: int, *, repetitions: int) -> Sent:
    """Send the campaign with both, taking turns to go first. Raises `BenchError` if a text is missing or doubled."""
    product: list[float] = []
    bare: list[float] = []
    for repetition in range(repetitions):
        # A new sandbox each time: one that holds texts is slower, and the first look at it reads all of the last hours.
        turns = [(bare, send_bare), (product, send_with_product)]
        for seconds, send in turns if repetition % 2 == 0 else reversed(turns):
            with PrivateSandbox.start(SandboxOptions(pace_per_second=PACE_PER_SECOND)) as sandbox:
                seconds.append(send(sandbox, batch_size, recipients))
                stored = sum(httpx.get(f"{sandbox.url}/sandbox/stats").json()["messages"].values())
            if stored != recipients:
                raise BenchError(f"{recipients} texts were sent, and the sandbox has {stored}")
    return Sent(batch_size, recipients, tuple(product), tuple(bare))


def send_bare(sandbox: PrivateSandbox, batch_size: int, recipients: int) -> float:
    """Post every batch, one after the other over one connection, and read its reply; return the seconds that took."""
    url = f"{sandbox.url}/services/send.php"
    rows = [{"number": number, "message": text} for number, text in texts(recipients)]
    with httpx.Client() as client:
        started = perf_counter()
        for start in range(0, recipients, batch_size):
            batch = rows[start : start + batch_size]
            reply = client.post(url, data={"messages": json.dumps(batch), "key": sandbox.key}).json()
            if not reply["success"] or len(reply["data"]["messages"]) != len(batch):
                raise BenchError(f"the sandbox refused a batch of the bare loop: {reply['error']}")
        return perf_counter() - started


def send_with_product(sandbox: PrivateSandbox, batch_size: int, recipients: int) -> float:
    """Send a planned campaign in one process on SQLite; return the seconds from start to last recorded acceptance."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        settings = load_settings(
            database_url=f"sqlite:///{folder / 'bench.db'}", device_rate=None, first_poll_seconds=NO_POLLS_SECONDS
        )
        runtime = build_runtime(settings, sandbox=(sandbox.url, SecretStr(sandbox.key)))
        try:
            path = write_campaign(folder, recipients=recipients, batch_size=batch_size)
            run_id = take_up(runtime, read_file(path, settings), source=path.name).run_id
            return _send(runtime, run_id, recipients)
        finally:
            runtime.close()


def _send(runtime: Runtime, run_id: int, recipients: int) -> float:
    ticks = Ticks()
    clockwork = Clockwork(runtime, ticks.for_runs({run_id}), ticks.rush)
    runtime.queue.work(runtime.settings.threads)
    clockwork.start()
    try:
        took = _wait_until_sent(runtime, run_id)
    finally:
        clockwork.stop()
    with runtime.store.read() as session:
        by_state = books(session, run_id).by_state
    if by_state != {RecipientState.ACCEPTED: recipients}:
        raise BenchError(f"{recipients} recipients were to be accepted, and they are {by_state}")
    return took.total_seconds()


def _wait_until_sent(runtime: Runtime, run_id: int) -> timedelta:
    give_up = perf_counter() + GIVE_UP_SECONDS
    while perf_counter() < give_up:
        sleep(LOOK_SECONDS)
        with runtime.store.look() as connection:
            is_any_left = any(statement.first(connection, {}) for statement in ANY_LEFT)
        if not is_any_left:
            ended = runtime.clock.now()
            with runtime.store.read() as session:
                return ended - _started_at(session, run_id)
    raise BenchError(f"the product was not done after {GIVE_UP_SECONDS:.0f} s")


def _started_at(session: Session, run_id: int) -> datetime:
    started_at = run_view(session, run_id).started_at
    if started_at is None:
        raise BenchError("every batch was accepted, of a run that never started")
    return started_at
