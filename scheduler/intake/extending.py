"""A table that is dropped again during or after its campaign: only its new people are added."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final

from campaigns.access import Actor
from campaigns.audience import AudienceProblem
from campaigns.audience.earlier import unknown_campaigns
from campaigns.definition import CampaignSource, Definition
from campaigns.lifecycle import RecipientState
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.opened import read_through
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import Plan, plan_recipients
from campaigns.planning.replanning import Numbered, new_people
from campaigns.planning.splitting import Split
from campaigns.problems import CampaignFileError, Problem
from campaigns.take_up import Taken
from campaigns.timing.placing import Placer
from scheduler.intake.outcome import count_people, has_quota, note_submitted
from scheduler.intake.planning import pricing_now, suppressed_in
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.locks import lock_run
from worker.store.runs import plans, reminders
from worker.store.runs.held import reopen_run
from worker.store.runs.runs import RunView
from worker.store.steps import planned as planned_steps

AT_ONCE: Final = 2_000
"""How many rows are compared with the run at once."""


def extend(runtime: Runtime, run: RunView, definition: Definition, *, source: str, by: Actor) -> int:
    """Add the new people in the tables of a campaign to its run; return the number of rows added.

    People who are no longer in the tables stay as planned, and those of earlier campaigns are not read again. Nobody is
    added while a row under `exclude` has no valid number: it might be one of the new people. The audit has one entry,
    by `by`, with the first people who are added. Raises `CampaignFileError` for a table that cannot be read; nothing
    has been added then.
    """
    now = runtime.clock.now()
    cuts = run.plan_summary.get("cuts")
    tables = tuple(source for source in definition.audience if not isinstance(source, CampaignSource))
    read_again = definition.model_copy(update={"audience": tables}).in_folder(definition.folder)
    plan = plan_recipients(
        read_again,
        placer=Placer(definition.schedule, now),
        suppressed=suppressed_in(runtime.store, definition.kind),
        split=Split(tuple(cuts)) if cuts else None,
        pricing=pricing_now(runtime, definition, runtime.ceilings.current()),
    )
    try:
        unread = read_through(read_again, unknown_campaigns)
    except AudienceProblem as error:
        raise CampaignFileError([Problem(source, 1, 1, "audience", str(error))]) from error
    if unread:
        get_logger().warning("run.not_extended", campaign=run.campaign, run=run.id, unread_exclusions=unread)
        return 0
    limits, added = limits_of(definition, runtime.settings).request, 0
    left = _count_first(runtime, run, plan, by)
    for rows_of, new in _new_rows(runtime, run, plan):
        note = partial(
            note_submitted,
            by=by,
            definition=definition,
            run_id=run.id,
            taken=Taken.EXTENDED,
            plan_hash=run.plan_hash,
            source=source,
        )
        added += _add(runtime, run, rows_of, limits, by, None if added else note, counted=left)
        left = max(0, left - _pending(new))
    if added:
        get_logger().info("run.extended", campaign=run.campaign, run=run.id, rows=added)
    return added


def _new_rows(
    runtime: Runtime, run: RunView, plan: Plan
) -> Iterator[tuple[list[Numbered], Sequence[PlannedRecipient]]]:
    """Yield the rows of the numbers that the run lacks, some at a time, and those of them that are to be added."""
    again, rows = Counter[str](), iter(plan)
    while chunk := [_numbered(row, again) for row in islice(rows, AT_ONCE)]:
        with runtime.store.read() as session:
            new = new_people(chunk, reminders.known_in(session, run.id, {each.row.number for each in chunk}))
        if new:
            numbers = {row.number for row in new}
            yield [each for each in chunk if each.row.number in numbers], new


def _count_first(runtime: Runtime, run: RunView, plan: Plan, by: Actor) -> int:
    """Count everybody who would be added, before anybody is: a quota refuses all of them or none. Return how many."""
    with runtime.store.read() as session:
        if not has_quota(session, by):
            return 0
    people = sum(_pending(new) for _, new in _new_rows(runtime, run, plan))
    with runtime.store.write("extend_counted") as session:
        count_people(session, by, people, now=runtime.clock.now())
    return people


def _pending(rows: Sequence[PlannedRecipient]) -> int:
    return sum(row.state is RecipientState.PENDING for row in rows)


def _numbered(row: PlannedRecipient, again: Counter[str]) -> Numbered:
    """Number a row that does not count for its number, and so has no place of its own: first, second ..."""
    if row.occurrence:
        again[row.number] += 1
    return Numbered(row, again[row.number] if row.occurrence else 0)


def _add(
    runtime: Runtime,
    run: RunView,
    chunk: Sequence[Numbered],
    limits: BatchLimits,
    by: Actor,
    note: Callable[..., None] | None,
    *,
    counted: int,
) -> int:
    """Add those of these rows who are new; `counted`: that many of them are counted against the quota already."""
    now = runtime.clock.now()
    with runtime.store.write("plan_more") as session:
        lock_run(session, run.id)
        new = new_people(chunk, reminders.known_in(session, run.id, {each.row.number for each in chunk}))
        count_people(session, by, max(0, _pending(new) - counted), now=now)
        first = plans.next_ordinal(session, run.id)
        for placed in into_batches(new, limits, chunk_rows=len(chunk)):
            shifted = [(row, None if batch is None else first + batch) for row, batch in placed]
            plans.insert_chunk(session, run.id, shifted, limits=limits)
        planned_steps.add_texts(session, run.id, new, now=now)
        if any(row.state in {RecipientState.PENDING, RecipientState.HELD} for row in new):
            reopen_run(session, run.id, now)
        reminders.show_again(session, [run.id])
        if new and note is not None:
            note(session, now=now)
    return len(new)
