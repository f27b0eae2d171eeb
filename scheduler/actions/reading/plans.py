"""The stored plan of a run."""

from dataclasses import dataclass

from scheduler.actions.naming import latest_run
from scheduler.intake.approving import awaited
from worker.definitions import Definitions
from worker.store.engine import Store
from worker.store.runs.runs import RunView


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A run with its plan; `awaits`: the hash that has to be approved before it starts, or empty.

    `written`: its texts as they stand in the file, each with what it is of: `Variant a`, `Step nudge`, or nothing.
    """

    run: RunView
    awaits: str
    written: tuple[tuple[str, str], ...]


def read_plan(store: Store, campaign: str, number: int | None = None) -> StoredPlan:
    """Return the plan of a campaign's latest run, or of the one with this number. Raises `Refused`."""
    definitions = Definitions(store)
    with store.read() as session:
        run = latest_run(session, campaign, number)
        definition = definitions.find(run.definition_id)
        awaits = awaited(run, definitions.get(run.definition_id)) if run.started_at is None else ""
    if definition is None:
        return StoredPlan(run, awaits, ())
    written = [(f"Variant {each.name}", each.message) for each in definition.variants] or [("", definition.message)]
    written += [(f"Step {each.name}", each.message) for each in definition.steps]
    return StoredPlan(run, awaits, tuple(written))
