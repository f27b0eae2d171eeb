"""The bench with a file of prices, and what it says about money."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from campaigns.codes import WaitsFor
from campaigns.money.amounts import MILLIONTHS
from scheduler.actions.reading.runs import read_runs
from scheduler.report.summary import waits_for
from tests.protocol.world.harness import Installation
from tests.store.store_world import empty, what_is_kept_is_what_the_rows_say
from tests.support.clocks import FakeClock
from worker.store.engine import Store
from worker.store.reports import counts

PRICES: Final = "prefix,price,currency\n+39,0.05,EUR\n"

Make = Callable[..., Installation]


def making(tmp_path: Path, store: Store, clock: FakeClock) -> Iterator[Make]:
    """Yield what makes a bench with prices; afterwards, all budgets must hold what was charged."""
    made: list[Installation] = []

    def installation(prices: str | None = PRICES, **settings: Any) -> Installation:
        path = tmp_path / "prices.csv"
        if prices is not None:
            path.write_text(prices)
            settings["prices"] = path
        made.append(Installation(tmp_path, store, clock, **settings))
        made[-1].hear()
        return made[-1]

    yield installation
    for each in made:
        each.close()
    try:
        what_is_kept_is_what_the_rows_say(store)
    finally:
        empty(store)


def cost(bench: Installation, *run_ids: int) -> Decimal:
    """Return what runs cost so far."""
    with bench.store.read() as session:
        return Decimal(counts.books(session, *run_ids).cost) / MILLIONTHS


def waiting(bench: Installation, run_id: int) -> set[WaitsFor]:
    """Return what the unsent requests of a run wait for."""
    return {batch.waits_for for batch in bench.batches(run_id) if batch.attempt == 0}


def now(bench: Installation, run_id: int) -> str:
    """Return what a run waits for, in words."""
    [seen] = read_runs(bench.store, bench.run(run_id).campaign, run_id, now=bench.clock.now())
    return waits_for(seen, bench.settings.zone)
