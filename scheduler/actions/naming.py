"""Which run the name of a campaign means."""

from difflib import get_close_matches

from sqlmodel import Session

from scheduler.actions.opening import NOTHING_YET
from scheduler.actions.refusals import Refusal, Refused
from worker.store.runs.held import held_lists, held_people, runs_with_held
from worker.store.runs.repetitions import first_unfinished
from worker.store.runs.resends import resends_of
from worker.store.runs.runs import RunView, campaign_runs, find_run, list_runs, run_view


def run_to_decide_on(session: Session, slug: str, number: int | None = None) -> RunView:
    """Like `latest_run`, but of a run and its resends return the last in which somebody is held.

    If nobody is held in these, return the last run of the campaign in which somebody is, for example a day of
    reminders.
    """
    run = latest_run(session, slug, number)
    if number is not None:
        return run
    candidates = [*runs_with_held(session, run.campaign_id), run.id, *resends_of(session, run.id)]
    held = (id_ for id_ in reversed(candidates) if held_people(session, id_) or held_lists(session, id_))
    found = next(held, run.id)
    return run if found == run.id else run_view(session, found)


def latest_run(session: Session, slug: str, number: int | None = None) -> RunView:
    """Return the latest run of a campaign that has begun, or the one with this number; of reminders the next day.

    Raises `Refused` with the nearest name if there is none.
    """
    run = find_run(session, slug)
    if run is not None and number is None:
        next_day = first_unfinished(session, run.campaign_id) if run.day else None
        return run if next_day is None else run_view(session, next_day)
    if run is not None:
        for found in campaign_runs(session, slug):
            if found.id == number:
                return found
        command = f"see its runs with: campaigns status {slug}"
        raise Refused(Refusal.UNKNOWN_RUN, f"{slug} has no run {number}", command=command)
    known = sorted({run.campaign for run in list_runs(session)})
    if not known:
        raise Refused(Refusal.NOTHING_YET, NOTHING_YET)
    near = get_close_matches(slug, known, n=1)
    advice, command = (f"; did you mean {near[0]}?", "") if near else ("", "list them with: campaigns status")
    raise Refused(Refusal.UNKNOWN_CAMPAIGN, f"there is no campaign {slug}{advice}", command=command)
