"""A campaign over real HTTP: a sandbox in a process of its own, real queue, threads and clock."""

import time
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from campaigns.lifecycle import RunState
from scheduler.intake.taking import read_file, take_up
from scheduler.loop import Clockwork
from scheduler.ticks.table import Ticks
from tests.support.nursery import Sandbox
from worker.building import build_runtime
from worker.sandbox.running.options import SandboxOptions
from worker.settings.settings import Settings
from worker.store.reports import counts
from worker.store.reports.counts import Books
from worker.store.runs import runs

PATIENCE_SECONDS: Final = 120.0


def run_to_its_end(file: Path, settings: Settings, options: SandboxOptions, *, threads: int) -> tuple[RunState, Books]:
    """Accept the file, send and follow it; return its state, once it is over or patience is, and its books."""
    with Sandbox.start(options) as sandbox:
        runtime = build_runtime(settings, sandbox=(sandbox.url, SecretStr(sandbox.key)))
        ticks = Ticks()
        clockwork = Clockwork(runtime, ticks.all, ticks.rush)
        try:
            run_id = take_up(runtime, read_file(file, settings), source=file.name).run_id
            runtime.queue.work(threads)
            clockwork.start()
            deadline = time.monotonic() + PATIENCE_SECONDS
            state = RunState.SCHEDULED
            while state is not RunState.COMPLETED and time.monotonic() < deadline:
                time.sleep(0.05)
                with runtime.store.read() as session:
                    state = runs.run_view(session, run_id).state
            with runtime.store.read() as session:
                return state, counts.books(session, run_id)
        finally:
            clockwork.stop()
            runtime.close()
