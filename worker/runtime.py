"""All the real things that the product works with, as one value. What makes them, and loads their libraries, is in
`worker.building`: whoever only takes a `Runtime` needs none of these."""

import gc
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from campaigns.clock import Clock
from worker.servers.troubles import Troubles

if TYPE_CHECKING:
    from worker.definitions import Definitions
    from worker.gateway import GatewayClient
    from worker.jobs import JobQueue
    from worker.limits.limits_in_force import CeilingsInForce, PricesInForce
    from worker.marker import Marker
    from worker.settings.settings import Settings
    from worker.store.engine import Store


@dataclass(frozen=True)
class Runtime:
    """The real things, without any memory of past calls: each tick keeps its own.

    `only_runs`: work on these runs alone (`campaigns run`); None: on every run of the account.
    """

    settings: "Settings"
    store: "Store"
    clock: Clock
    gateway: "GatewayClient"
    queue: "JobQueue"
    definitions: "Definitions"
    marker: "Marker"
    account_id: int
    rehearsal: bool
    ceilings: "CeilingsInForce"
    prices: "PricesInForce"
    only_runs: frozenset[int] | None = None
    troubles: Troubles = field(default_factory=Troubles)
    installation: str = ""  # the database's name; empty for a rehearsal, which leaves nothing that counts

    def includes(self, run_id: int) -> bool:
        """Return whether this process works on the run."""
        return self.only_runs is None or run_id in self.only_runs

    def from_replica(self) -> "Runtime":
        """Return the same for one page or report, as `Store.from_replica`."""
        store = self.store.from_replica()
        return self if store is self.store else replace(self, store=store)

    def close(self) -> None:
        """Finish what is under way and release everything."""
        self.queue.stop()
        self.gateway.close()
        self.store.close()
        gc.unfreeze()
