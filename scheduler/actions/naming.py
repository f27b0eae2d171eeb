"""The database as commands look at it: nothing is made or upgraded on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

from scheduler.cli.errors import Refused

if TYPE_CHECKING:
    from sqlmodel import Session

    from worker.settings import Settings
    from worker.store.engine import Store
    from worker.store.runs import RunView

NOTHING_YET = "there are no campaigns yet; drop a file into the inbox, or run one: campaigns run FILE"


@contextmanager
def existing_store(settings: "Settings") -> Iterator["Store | None"]:
    """The database, or None where nothing was ever stored in it. Raises `StoreError`, also where it is gone."""
    import sqlalchemy as sa

    from worker.marker import FileMarker, beside
    from worker.store.engine import DatabaseLost, Store
    from worker.store.same_database import Loss

    store = Store(settings.database_url)
    try:
        path = store.sqlite_path
        if path is not None and not path.exists():
            if FileMarker(beside(path)).read():
                raise DatabaseLost(store.url, Loss.GONE)
            if not path.parent.is_dir():
                raise Refused(
                    f"the folder of the database, {path.parent}, does not exist: make it, or set CAMPAIGNS_DATABASE_URL"
                )
            yield None
            return
        with store.read() as session:
            is_empty = not sa.inspect(session.connection()).has_table("run")
        yield None if is_empty else store
    finally:
        store.close()


@contextmanager
def campaign_store(settings: "Settings") -> Iterator["Store"]:
    """As `existing_store`, for a command that names a campaign. Raises `Refused` where there is none yet."""
    with existing_store(settings) as store:
        if store is None:
            raise Refused(NOTHING_YET)
        yield store


def run_to_decide_on(session: "Session", slug: str, number: int | None = None) -> "RunView":
    """As `latest_run`; of a run and those that sent again to its people the last in which somebody is held.

    Where nobody is held in these the last of the campaign in which somebody is: a day of reminders, for one.
    """
    from worker.store.held import held_lists, held_people, runs_with_held
    from worker.store.resends import resends_of
    from worker.store.runs import run_view

    run = latest_run(session, slug, number)
    if number is not None:
        return run
    candidates = [*runs_with_held(session, run.campaign_id), run.id, *resends_of(session, run.id)]
    held = (id_ for id_ in reversed(candidates) if held_people(session, id_) or held_lists(session, id_))
    found = next(held, run.id)
    return run if found == run.id else run_view(session, found)


def latest_run(session: "Session", slug: str, number: int | None = None) -> "RunView":
    """The latest run of a campaign that has begun, or its run with this number; of reminders the first day to come.

    Raises `Refused` with the nearest name where there is none.
    """
    from worker.store.repetitions import first_unfinished
    from worker.store.runs import campaign_runs, find_run, list_runs, run_view

    run = find_run(session, slug)
    if run is not None and number is None:
        next_day = first_unfinished(session, run.campaign_id) if run.day else None
        return run if next_day is None else run_view(session, next_day)
    if run is not None:
        for found in campaign_runs(session, slug):
            if found.id == number:
                return found
        raise Refused(f"{slug} has no run {number}; see its runs with: campaigns status {slug}")
    known = sorted({run.campaign for run in list_runs(session)})
    if not known:
        raise Refused(NOTHING_YET)
    near = get_close_matches(slug, known, n=1)
    advice = f"did you mean {near[0]}?" if near else "list them with: campaigns status"
    raise Refused(f"there is no campaign {slug}; {advice}")
