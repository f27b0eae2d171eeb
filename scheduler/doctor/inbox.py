"""The inbox: whether it is there, and whose status is beside its campaign files."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Final

from scheduler.doctor.findings import Area, Finding, ok, problem, warning
from scheduler.inbox.files import campaign_in, list_campaign_files
from scheduler.inbox.foreign import Named, foreign_line, foreign_status, named_in
from worker.store.engine import Store

MOST_NAMED: Final = 10
"""How many campaign files are named: after a lost database it may be all of them."""


def check_inbox(folder: Path, store: Store | None, account_id: int | None) -> Iterator[Finding]:
    """Report campaigns that wait because another installation may have sent them. No `store`: no database yet."""
    if not folder.exists():  # `up` makes it if nothing is known about it
        return
    try:
        files = list_campaign_files(folder.resolve()).files
        named = cache(partial(named_in, folder.resolve()))
        found = list(islice(_foreign(files, store, account_id, named), MOST_NAMED + 1))
    except OSError as error:
        says = f"the inbox {folder} cannot be read ({error.strerror or error})"
        yield problem(Area.SERVICE, says, "let this user read the folder and what is in it")
        return
    for line in found[:MOST_NAMED]:
        waits, _, advice = line.partition(". ")
        yield warning(Area.SERVICE, waits, advice.removesuffix("."))
    if found[MOST_NAMED:]:
        yield warning(Area.SERVICE, f"more than {MOST_NAMED} campaign files of the inbox wait so", "as above")
    if not found:
        yield ok(Area.SERVICE, "no campaign file of the inbox stands beside the status of another installation")


def _foreign(
    files: tuple[Path, ...], store: Store | None, account_id: int | None, named: Callable[[], Named]
) -> Iterator[str]:
    for path in files:
        slug = campaign_in(path)
        if not slug:
            continue  # it cannot be used, which its status says
        if store is None:
            left = foreign_status(None, path, slug, 0, named)
        else:
            with store.read() as session:
                left = foreign_status(session, path, slug, account_id or 0, named)
        if left is not None:
            yield foreign_line(path, slug, left)
