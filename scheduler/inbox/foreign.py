"""Whether another installation may have sent a campaign already: what every way in asks before it plans one."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from sqlmodel import Session

from scheduler.inbox.files import named_below
from scheduler.inbox.notices import foreign_words
from scheduler.inbox.sidecars import STATUS, Left, left_at, status_path
from worker.runtime import Runtime
from worker.store.relocation import recovery
from worker.store.relocation.installation import installation_name
from worker.store.runs import runs

Named: TypeAlias = Mapping[str, list[Left]]
"""Campaign -> the statuses that name it."""


class OfAnotherInstallation(Exception):
    """Another installation may have sent the campaign; the message says what to do."""


def named_in(inbox: Path, *files: Path) -> Named:
    """What the statuses of the inbox name, and those in the folders of files that lie outside.

    One that names nothing, being empty or no status at all, stands for the campaign of its own name.
    """
    found: dict[str, list[Left]] = {}
    beside = (path for file in files for path in file.absolute().parent.glob(f"*{STATUS}"))
    for path in dict.fromkeys([*named_below(inbox.absolute(), STATUS), *beside]):
        left = left_at(path)
        if left is not None:
            for name in left.campaigns or (path.name.removesuffix(STATUS),):
                found.setdefault(name, []).append(left)
    return found


def foreign_status(
    session: Session | None, path: Path, slug: str, account_id: int, named: Callable[[], Named]
) -> Left | None:
    """The status of another installation that holds a campaign which this database does not know.

    It stands beside the file, whatever it names, or elsewhere (`named`) and names the campaign: the file may have been
    renamed, moved or copied since. Its installation is `UNKNOWN` where the status cannot be read or is not whole: it is
    then taken for one of another installation. None: there is none, or `recover` has asked the gateway since. Without a
    `session` there is no database yet, and every installation is another one. Not for rehearsals: they leave nothing
    that counts, and have no gateway to ask.
    """
    own, recovered_at = "", None
    if session is not None:
        if runs.find_campaign_run(session, slug, rehearsal=False) is not None:
            return None
        own, recovered_at = installation_name(session), recovery.recovered_at(session, account_id)

    def holds(left: Left) -> bool:
        return left.installation != own and (recovered_at is None or recovered_at < left.written_at)

    beside = left_at(status_path(path))
    if beside is not None and holds(beside):
        return beside
    return next(filter(holds, named().get(slug, ())), None)


def status_name(path: Path, left: Left) -> str:
    """What somebody who looks at the campaign file calls a status that may lie in another folder."""
    return os.path.relpath(left.path, path.parent)


def foreign_line(path: Path, slug: str, left: Left) -> str:
    """What people who send or look at the file by hand are told, in one line."""
    words = foreign_words(path.name, slug, status_name(path, left), left.installation)
    return words.replace("\n", " ") + "."


def require_own(runtime: Runtime, path: Path, slug: str) -> None:
    """Raise `OfAnotherInstallation` if the campaign has to wait for a person."""
    if runtime.rehearsal:
        return
    with runtime.store.read() as session:
        left = foreign_status(session, path, slug, runtime.account_id, lambda: named_in(runtime.settings.inbox, path))
    if left is not None:
        raise OfAnotherInstallation(foreign_line(path, slug, left))
