"""How fast one, two and four workers send a campaign without any rate, compared with one process and a bare loop."""

from statistics import median
from typing import Final

from tests.bench.installation import Installation, Servers
from tests.bench.reporting.results import BenchError, Scaled
from tests.bench.sending import GIVE_UP_SECONDS, measure_sending

BATCH_SIZE: Final = 100

LEFT: Final = """
SELECT count(*) FILTER (WHERE batch.state <> 'accepted') FROM batch JOIN run ON run.id = batch.run_id
WHERE run.started_at IS NOT NULL HAVING count(*) > 0
"""

TOOK: Final = "SELECT max(attempt.finished_at) - min(run.started_at) FROM attempt JOIN run ON run.id = attempt.run_id"
ACCEPTED: Final = "SELECT count(*) FROM recipient WHERE state = 'accepted'"


def measure_fleet(servers: Servers, *, workers: int, recipients: int) -> Scaled:
    """Send it with this many workers, Redis and PostgreSQL. Raises `BenchError` if somebody was not accepted."""
    # Receipts are looked for only after the measurement is over.
    settings = {"device_rate": "none", "first_poll_seconds": "3600", "max_poll_seconds": "3600"}
    with Installation(servers, settings, has_ledger=False) as world:
        world.start("scheduler", *["worker"] * workers)
        world.drop("scaled", recipients=recipients, batch_size=BATCH_SIZE)
        world.wait(lambda: world.ask(LEFT) == [(0,)], "done", GIVE_UP_SECONDS)
        accepted = world.ask(ACCEPTED)[0][0]
        if accepted != recipients:
            raise BenchError(f"{recipients} recipients were to be accepted, and {accepted} are")
        took = world.ask(TOOK)[0][0]
    return Scaled(f"Redis and PostgreSQL, {workers} workers", recipients, took.total_seconds())


def measure_alone(*, recipients: int) -> list[Scaled]:
    """Send the same campaign in one process on SQLite, and with a loop that only posts."""
    sent = measure_sending(BATCH_SIZE, recipients, repetitions=1)
    return [
        Scaled("one process, SQLite", recipients, median(sent.product_seconds)),
        Scaled("bare loop", recipients, median(sent.bare_seconds)),
    ]
