"""Whether a campaign can be an audience, asked by somebody who may have no database yet."""

from scheduler.actions.opening import existing_store
from scheduler.actions.refusals import Refused
from scheduler.intake.earlier import problem_in
from worker.settings.settings import Settings
from worker.store.errors import STORE_FAILS, StoreError


def problem_of(settings: Settings, campaign: str) -> tuple[str, str] | None:
    """Return what is wrong with a campaign as an audience, and what to do; None: nothing that is known.

    Nothing is known without a database, or of one that cannot be read: a file is checked where it is written, too. A
    campaign that was rehearsed will do, because nobody said whether the file is for a rehearsal.
    """
    try:
        with existing_store(settings) as store:
            if store is None:
                return None
            problem = problem_in(store, rehearsal=False)(campaign)
            return problem if problem and problem_in(store, rehearsal=True)(campaign) else None
    except (*STORE_FAILS, StoreError, Refused):
        return None
