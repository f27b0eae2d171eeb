"""Long lists, a page at a time: who opted out, what is held, which files are broken, what others are told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Final

from campaigns.counting import amount
from campaigns.display import utc
from campaigns.lifecycle import RunState
from scheduler.actions.reading.pages import Page
from scheduler.actions.shapes.seen import BrokenFileShape
from scheduler.actions.suppressing.kinds import known_kind
from worker.store.engine import Store
from worker.store.people.reviews import count_waiting
from worker.store.people.suppressions import Entry
from worker.store.reports import lists
from worker.store.reports.lists import HeldBatch, News
from worker.store.reports.person import Request, requests_of
from worker.store.runs.inbox_files import broken_files
from worker.store.runs.runs import run_views


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

    @property
    def says(self) -> str:
        """The first line of it: what is the matter with the file."""
        return self.problem.partition("\n")[0]

    def as_json(self, *, full: bool) -> BrokenFileShape:
        """Return it for programs; not `full`: the mistakes, which quote the file, are left out."""
        problem = self.problem if full else self.says
        return {"name": self.name, "problem": problem, "since": utc(self.since), "goes_on": self.goes_on}


def read_broken_files(store: Store, *, limit: int) -> Sequence[BrokenFile]:
    """Return the files of the inbox that cannot be used as they are, those that have been so for longest first."""
    with store.read() as session:
        found = broken_files(session, most=limit)
    return [
        BrokenFile(PurePath(entry.path).name, entry.problem, entry.seen_at, goes_on=entry.run_id is not None)
        for entry in found
    ]


MOST_COUNTED: Final = 100
"""So many requests or files are counted, and listed on one page; then it is "at least"."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What waits for somebody, besides alerts and plans to approve: replies, held requests and files.

    `broken` are files of which nothing is sent; `noted` have a campaign, and something to say about it: people were
    added, or a change does not count.
    """

    to_review: int
    held: int
    broken: int
    noted: int = 0

    @property
    def waiting(self) -> bool:
        """Whether anything does."""
        return bool(self.to_review or self.held or self.broken or self.noted)

    def sentences(self) -> list[str]:
        """Return what waits, and the command for it."""
        many = ("reply may mean stop and waits", "replies may mean stop and wait")
        replies = f"{amount(self.to_review, *many)} to be read"
        noted = ("file of the inbox has", "files of the inbox have")
        told = (
            (self.to_review, f"{replies}: campaigns suppress review"),
            (self.held, f"{at_least(self.held, 'request is', 'requests are')} held: campaigns held CAMPAIGN"),
            (self.broken, f"{at_least(self.broken, 'file')} of the inbox cannot be used: campaigns status"),
            (self.noted, f"{at_least(self.noted, *noted)} a remark: campaigns status"),
        )
        return [says for is_so, says in told if is_so]


def at_least(number: int, one: str, many: str = "") -> str:
    """Return how many were counted, in words."""
    return f"{'at least ' if number == MOST_COUNTED else ''}{amount(number, one, many)}"


def read_needs(store: Store) -> Needs:
    """Return how much waits for somebody."""
    with store.read() as session:
        files = broken_files(session, most=MOST_COUNTED)
        planned = run_views(session, [file.run_id for file in files if file.run_id is not None])
        goes_on = {run_id for run_id, run in planned.items() if run.state is not RunState.FAILED}
        noted = sum(file.run_id in goes_on for file in files)
        return Needs(count_waiting(session), lists.how_many_held(session, most=MOST_COUNTED), len(files) - noted, noted)


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
