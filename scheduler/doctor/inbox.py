"""The inbox: whether it is there, and whose status is beside its campaign files."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Final

from scheduler.actions.reading.lists import read_broken_files
from scheduler.doctor.findings import Area, Finding, ok, problem, warning
from scheduler.inbox.files import campaign_in, list_campaign_files
from scheduler.inbox.foreign import Named, foreign_line, foreign_status, named_in
from worker.servers.checks import write_in
from worker.store.engine import Store

MOST_NAMED: Final = 10
"""How many campaign files are named: after a lost database it may be all of them."""


LOST: Final = (
    "put the right database in its place, or run: campaigns recover. Do not remove its status: everybody would get the "
    "text again"
)
"""A status of our own, from before the database was lost: no other installation's, which a person may let pass."""


def check_inbox(
    folder: Path, store: Store | None, account_id: int | None, *, is_lost: bool = False
) -> Iterator[Finding]:
    """Campaigns that wait because another installation may have sent them, and whether their status can be written.

    No `store`: there is no database yet. `is_lost`: there was one, or another one than this.
    """
    if not folder.exists():  # `up` makes it, where nothing of it is known
        return
    try:
        files = list_campaign_files(folder.resolve()).files
        named = cache(partial(named_in, folder.resolve()))
        found = list(islice(_foreign(files, store, account_id, named, is_lost), MOST_NAMED + 1))
    except OSError as error:
        says = f"the inbox {folder} cannot be read ({error.strerror or error})"
        yield problem(Area.SERVICE, says, "allow this user to read the folder and what is in it")
        return
    for _, waits, advice in found[:MOST_NAMED]:
        yield warning(Area.SERVICE, waits, advice)
    if found[MOST_NAMED:]:
        yield warning(Area.SERVICE, f"more than {MOST_NAMED} campaign files of the inbox wait like this", "as above")
    waiting = {name for name, _, _ in found}  # told above, with what to do about the other installation
    broken = [] if store is None else read_broken_files(store, limit=MOST_NAMED + len(waiting))
    for file in [each for each in broken if each.name not in waiting][:MOST_NAMED]:
        advice = "read the status beside it" if file.goes_on else f"correct it: campaigns check {file.name}"
        yield warning(Area.SERVICE, file.says.rstrip("."), advice)
    if not found:
        yield ok(Area.SERVICE, "no campaign file of the inbox is beside a status from another installation")
    try:
        write_in(folder)
    except OSError as error:
        says = (
            f"no status or report can be written to the inbox {folder} ({error.strerror or error}); campaigns continue"
        )
        yield warning(Area.SERVICE, says, "allow the service's user to write there, and make room on its disk")


def _foreign(
    files: tuple[Path, ...], store: Store | None, account_id: int | None, named: Callable[[], Named], is_lost: bool
) -> Iterator[tuple[str, str, str]]:
    """The name of each that waits, why it does, and what to do."""
    for path in files:
        slug = campaign_in(path)
        if not slug:
            continue  # it cannot be used, which its status says
        if store is None:
            left = foreign_status(None, path, slug, 0, named)
        else:
            with store.read() as session:
                left = foreign_status(session, path, slug, account_id or 0, named)
        if left is not None and is_lost:
            yield path.name, f"{path.name} waits and is not sent: the database that knew who got it is lost", LOST
        elif left is not None:
            waits, _, advice = foreign_line(path, slug, left).partition(". ")
            yield path.name, waits, advice.removesuffix(".")
