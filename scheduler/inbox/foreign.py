"""Whether another installation may have sent a campaign file already: every way in checks this before it plans one."""

from datetime import datetime
from pathlib import Path

from sqlmodel import Session

from scheduler.inbox.notices import foreign_words
from scheduler.inbox.sidecars import installation_of, status_path
from worker.runtime import Runtime
from worker.store.relocation import recovery
from worker.store.relocation.installation import installation_name
from worker.store.runs import runs


class OfAnotherInstallation(Exception):
    """Another installation may have sent the campaign; the message says what to do."""


def foreign_status(session: Session | None, path: Path, slug: str, account_id: int) -> tuple[str, datetime] | None:
    """Return which installation wrote the status beside a campaign unknown to this database, and when.

    Its name is `UNKNOWN` if the status cannot be read: it then counts as written by another installation. None: no
    other installation wrote it, or `recover` has asked the gateway since. Without a `session` there is no database yet,
    and every installation is another one. Rehearsals are not checked: they leave nothing that counts, and have no
    gateway to ask.
    """
    of = installation_of(path)
    if of is None or session is None:
        return of
    if of[0] == installation_name(session) or runs.find_campaign_run(session, slug, rehearsal=False) is not None:
        return None
    recovered_at = recovery.recovered_at(session, account_id)
    return of if recovered_at is None or recovered_at < of[1] else None


def foreign_line(path: Path, slug: str, installation: str) -> str:
    """Return one line for people who send the file or look at it by hand."""
    return foreign_words(path.name, slug, status_path(path).name, installation).replace("\n", " ") + "."


def require_own(runtime: Runtime, path: Path, slug: str) -> None:
    """Raise `OfAnotherInstallation` if the campaign has to wait for a person."""
    if runtime.rehearsal:
        return
    with runtime.store.read() as session:
        of = foreign_status(session, path, slug, runtime.account_id)
    if of is not None:
        raise OfAnotherInstallation(foreign_line(path, slug, of[0]))
