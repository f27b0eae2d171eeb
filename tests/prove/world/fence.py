"""A scheduler is suspended right before it records a verdict, another one takes the lease, and the first wakes up."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Final

from tests.prove.checker import Findings, check
from tests.prove.spec.observed import Replayed
from tests.prove.world.circumstances import BATCH, IN_DOUBT, first_requests
from tests.prove.world.product import write_campaign
from tests.prove.world.stage import Process, Stage, backed, kill, wait_until
from worker.sandbox.exchange import RequestKind

RULE: Final = "no fence"
REMOVAL: Final = "no_fence"
PEOPLE: Final = 30
LEASE_SECONDS: Final = 30.0
"""A lease lasts 10 s, and a scheduler asks for it every 2 s."""

END_SECONDS: Final = 120.0


def is_stopped(process: Process) -> bool:
    """Return whether it has stopped itself."""
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "T"


def tried(folder: Path, seed: int, *, removed: bool) -> tuple[Findings, Replayed]:
    """Let it happen, with the rule or without it, and judge what came of it."""
    names = ("suspend_before_verdict", *((REMOVAL,) if removed else ()))
    victim = tuple(argument for name in names for argument in ("--patch", f"tests.prove.world.removals:{name}"))
    with (
        backed(as_fleet=True, keeps_book=True) as backing,
        Stage(folder, backing.database_url, backing.redis_url, keeps_book=True) as stage,
    ):
        stage.put_faults(first_requests(seed, "drop_before", RequestKind.SEND, until=IN_DOUBT))
        audience = write_campaign(stage.inbox, "news", recipients=PEOPLE, batch_size=BATCH)
        stage.start("worker", "--json")
        schedulers = []
        for _ in range(2):
            schedulers.append(stage.start("scheduler", "--json", victim=victim))
            time.sleep(2)  # the first one leads
        for scheduler in schedulers:
            if not wait_until(partial(is_stopped, scheduler), LEASE_SECONDS):
                raise RuntimeError("a scheduler did not come to a verdict")
        for scheduler in schedulers:
            os.kill(scheduler.pid or 0, signal.SIGCONT)
            time.sleep(1)
        wait_until((stage.inbox / "news.report.csv").exists, END_SECONDS)
        for process in stage.processes:
            kill(process)
        return check(stage.evidence([audience])), stage.replayed()
