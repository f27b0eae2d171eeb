"""The key of the hashes: made once, before anybody is erased."""

from pathlib import Path

import sqlalchemy as sa

from scheduler.actions.opening import existing_store
from scheduler.actions.refusals import Refusal, Refused
from worker.settings import privacy
from worker.settings.settings import Settings
from worker.store.people import erased

MISSING = (
    "people were erased with a key that is missing, and no other one recognises them: put that key back into "
    "CAMPAIGNS_PRIVACY_KEY_FILE"
)


def make_key(settings: Settings) -> Path:
    """Make the file with a new key; return its path. Raises `SettingsError`, `StoreError`.

    Raises `Refused` if people were erased with another one: they could never be recognised again.
    """
    file = settings.privacy_key_file
    if file is not None and not file.exists():
        with existing_store(settings) as store:
            if store is not None:
                with store.read() as session:
                    is_there = sa.inspect(session.connection()).has_table("privacy_key")  # or it is of an older version
                    if is_there and erased.any_erased(session):
                        raise Refused(Refusal.WRONG_STATE, MISSING)
    return privacy.make_key(settings)
