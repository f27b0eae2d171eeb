"""Long lists, a page at a time: who opted out, what is held, which files are broken, what others are told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from scheduler.actions.reading.pages import Page
from scheduler.actions.suppressing.opt_outs import known_kind
from worker.store.engine import Store
from worker.store.people.suppressions import Entry
from worker.store.reports import lists
from worker.store.reports.lists import HeldBatch, News
from worker.store.reports.person import Request, requests_of
from worker.store.runs.inbox_files import broken_files


def read_suppressions(store: Store, kind: str | None, *, after: int, limit: int) -> Page[tuple[int, Entry]]:
    """Return the list of those who opted out, each with the id of its entry. Raises `Refused` for an unknown kind."""
    only = known_kind(kind) if kind is not None else None
    with store.read() as session:
        return Page(*lists.suppressions_after(session, only, after=after, limit=limit))


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A campaign file of which nothing is sent until it is mended. `goes_on`: what it said before is a campaign."""

    name: str
    problem: str
    since: datetime
    goes_on: bool


def read_broken_files(store: Store, *, limit: int) -> Sequence[BrokenFile]:
    """Return the files of the inbox that cannot be used as they are, those that have been so for longest first."""
    with store.read() as session:
        found = broken_files(session, most=limit)
    return [
        BrokenFile(PurePath(entry.path).name, entry.problem, entry.seen_at, goes_on=entry.run_id is not None)
        for entry in found
    ]


@dataclass(frozen=True, slots=True)
class HeldRequest:
    """A held request, with every call that was made for it."""

    batch: HeldBatch
    calls: tuple[Request, ...]


def read_all_held(store: Store, *, after: int, limit: int) -> Page[HeldRequest]:
    """Return the held requests of all campaigns."""
    with store.read() as session:
        found, place = lists.held_after(session, after=after, limit=limit)
        calls = requests_of(session, {batch.id for batch in found})
    return Page([HeldRequest(batch, tuple(calls.get(batch.id, ()))) for batch in found], place)


def read_news(store: Store, *, after: int, limit: int) -> list[News]:
    """Return the news after this."""
    with store.look() as connection:
        return lists.news_after(connection, after=after, limit=limit)


def last_news(store: Store) -> int:
    """Return the id of the newest of it."""
    with store.look() as connection:
        return lists.last_news(connection)
