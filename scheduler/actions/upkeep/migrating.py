"""`migrate`: the tables of the database, made or brought up to date."""

from dataclasses import dataclass
from functools import partial

from sqlmodel import Session

from campaigns.clock import SystemClock
from scheduler.actions.acting import Actor, asked_by
from worker.settings.settings import Settings
from worker.store import audit
from worker.store.engine import Store
from worker.store.migrate import migrate as bring_up_to_date


@dataclass(frozen=True, slots=True)
class Migrated:
    """A database, its address without a password, and the revision of its schema."""

    database: str
    revision: str


def migrate(settings: Settings, actor: Actor) -> Migrated:
    """Bring the database of the settings up to date; harmless if it already is. Raises `StoreError`."""
    store = Store(settings.database_url)
    try:
        with asked_by(actor):
            revision = bring_up_to_date(store, partial(_note, actor))
    finally:
        store.close()
    return Migrated(store.url.render_as_string(hide_password=True), revision)


def _note(actor: Actor, session: Session, before: str) -> None:
    audit.append(session, actor, "migrate", now=SystemClock().now(), detail={"from": before})
