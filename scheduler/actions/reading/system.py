"""Which process runs the clock."""

from dataclasses import dataclass

from worker.store import leases
from worker.store.engine import Store


@dataclass(frozen=True, slots=True)
class ClockHolder:
    """Who runs the clock; None: nobody. `age_seconds`: since that was last said.

    On SQLite there is no lease: the one process that sends holds a lock on a file beside the database.
    """

    name: str | None
    age_seconds: float


def read_clock_holder(store: Store) -> ClockHolder | None:
    """Return who runs the clock; None where no lease says so, as on SQLite."""
    if store.is_sqlite:
        return None
    with store.read() as session:
        return ClockHolder(leases.holder(session, leases.CLOCK), leases.age(session, rehearsal=False))
