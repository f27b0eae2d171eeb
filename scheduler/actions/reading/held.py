"""Who is held until a person decides, and why."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from campaigns.lifecycle import RunState
from campaigns.protocol.verdicts import Verdict
from scheduler.actions.naming import run_to_decide_on
from worker.store.engine import Store
from worker.store.reports.person import Request, last_request, requests_of
from worker.store.runs.held import HeldList, HeldPerson, held_lists, held_people, runs_with_held
from worker.store.runs.runs import RunView


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """Everybody who is held for one reason after the same requests, or one contact list."""

    batch_id: int | None
    list_id: int | None
    reason: str
    people: tuple[HeldPerson, ...]
    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Everybody of a run who is held. `others`: further runs of its campaign with held people.

    `failed`: the last request of a run that paused itself, if it failed.
    """

    run: RunView
    people: int
    lists: int
    groups: tuple[HeldGroup, ...]
    others: tuple[int, ...]
    failed: Request | None


def read_held(store: Store, campaign: str, number: int | None = None) -> Held:
    """Return who is held in the run with this number, or in the last run with held people. Raises `Refused`."""
    with store.read() as session:
        run = run_to_decide_on(session, campaign, number)
        people, lists = held_people(session, run.id), held_lists(session, run.id)
        others = tuple(other for other in runs_with_held(session, run.campaign_id) if other != run.id)
        batch_ids = {person.batch_id for person in people} | {entry.batch_id for entry in lists}
        requests = requests_of(session, {id_ for id_ in batch_ids if id_ is not None})
        last = last_request(session, run.id) if run.state is RunState.PAUSED else None
    failed = last if last and last.outcome == Verdict.MISSED else None
    return Held(run, len(people), len(lists), tuple(_grouped(people, lists, requests)), others, failed)


def _grouped(
    people: Sequence[HeldPerson], lists: Sequence[HeldList], requests: Mapping[int, Sequence[Request]]
) -> Iterator[HeldGroup]:
    together: defaultdict[tuple[int | None, str], list[HeldPerson]] = defaultdict(list)
    for person in people:
        together[person.batch_id, person.reason].append(person)
    for (batch_id, reason), members in together.items():
        made = requests.get(batch_id, ()) if batch_id is not None else ()
        yield HeldGroup(batch_id, None, reason, tuple(members), tuple(made))
    for entry in lists:
        yield HeldGroup(entry.batch_id, entry.list_id, entry.reason, (), tuple(requests.get(entry.batch_id, ())))
