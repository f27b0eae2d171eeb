"""`erase`: a person's texts, names and replies are gone, and a hash stands in place of the number."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from campaigns.access import SCHEDULER
from campaigns.counting import amount
from campaigns.protocol.erasure import Unsettled
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.forgetting.reports import Rewritten, take_out
from scheduler.actions.refusals import Refusal, Refused
from worker.settings.files import SettingsError
from worker.store.bulk import in_parts
from worker.store.engine import Store
from worker.store.errors import PrivacyKeyProblem
from worker.store.forgetting import erasing
from worker.store.forgetting.wiping import has_traces, wipe

ASKED_AT_ONCE: Final = 1_000
"""How many people one transaction notes as to be erased."""

NAMED: Final = 100
"""How many of those who wait, and how many files, are named; the others are counted."""


@dataclass(slots=True)
class Erasing:
    """What became of people who were to be erased.

    `erased` people are no longer known, and nothing was known of the `unknown`. `waiting`: the first of the `waits`,
    who are erased once their texts are settled. `cancelled`: texts that will never be sent. `files`: the tables and
    campaign files in the inbox that may still name these people. `reports`: those that were written again without them,
    and those that could not be. `is_wiped`: nothing is left in the database's files.
    """

    erased: int = 0
    unknown: int = 0
    cancelled: int = 0
    waits: Counter[Unsettled] = field(default_factory=Counter)
    waiting: dict[str, Unsettled] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    reports: Rewritten = field(default_factory=Rewritten)
    is_wiped: bool = True
    _sources: set[str] = field(default_factory=set)
    _names: dict[str, str] = field(default_factory=dict)

    def add(self, asked: int, done: erasing.Erased) -> None:
        """Add what became of `asked` more people."""
        self.erased += done.people
        self.cancelled += done.cancelled
        self.unknown += max(0, asked - done.people - len(done.waiting))
        self.waits.update(done.waiting.values())
        for number, why in done.waiting.items():
            if len(self.waiting) < NAMED:
                self.waiting[number] = why
        self._sources |= done.sources
        self._names |= done.names

    def take_out_of_reports(self, inbox: Path) -> None:
        """Take those who were added since out of the reports in the inbox."""
        take_out(inbox, self._names, self.reports)
        self._names.clear()


def erase(
    store: Store,
    actor: Actor,
    chunks: Iterable[Sequence[str]],
    *,
    inbox: Path,
    now: datetime,
    rebuild: bool | None = None,
) -> Erasing:
    """Erase people by their numbers (E.164). What is only planned for them is cancelled; opt-outs stay, under a hash.

    Whoever has a text under way is noted, and erased by the service once it is settled; so is anybody whose erasing was
    interrupted. `rebuild`: as `wipe` has it. Raises `Refused` without a key.
    """
    result = Erasing()
    for chunk in chunks:
        for numbers in in_parts(list(dict.fromkeys(chunk)), ASKED_AT_ONCE):
            people = amount(len(numbers), "person", "people")
            with acting(store, actor, "erase", transaction="erase_asked", subject=people, now=now) as session:
                try:
                    erasing.ask(session, numbers, now=now)
                except (PrivacyKeyProblem, SettingsError) as error:
                    raise Refused(Refusal.WRONG_STATE, str(error)) from None
                audited(session, people=len(numbers))
            for some in in_parts(numbers, erasing.AT_ONCE):
                result.add(len(some), _erase(store, actor, some, now=now, is_news=False))
            result.take_out_of_reports(inbox)
    result.files = files_with(inbox, result._sources)
    result.is_wiped = not has_traces(store) or wipe(store, rebuild=rebuild)
    return result


def erase_settled(store: Store, *, inbox: Path, now: datetime) -> Erasing:
    """Erase those who were asked for earlier and whose texts are settled by now."""
    after, result = "", Erasing()
    while True:
        with store.read() as session:
            numbers = erasing.asked_for(session, after=after)
        if not numbers:
            return result
        after = numbers[-1]
        result.add(len(numbers), _erase(store, SCHEDULER, numbers, now=now, is_news=True))
        result.take_out_of_reports(inbox)


def _erase(store: Store, actor: Actor, numbers: Sequence[str], *, now: datetime, is_news: bool) -> erasing.Erased:
    """Erase some people in one transaction; `is_news`: the audit does not say so yet."""
    with acting(store, actor, "erase", now=now) as session:
        done = erasing.erase(session, numbers, now=now)
        audited(session, subject=amount(done.people, "person", "people"), people=done.people)
        if not (is_news and done.people):
            nothing_done(session)
    return done


def files_with(inbox: Path, sources: Collection[str]) -> tuple[str, ...]:
    """Return the files of the inbox that have these names: tables as they were dropped or uploaded, which are yours."""
    names = {Path(source).name for source in sources}
    found: list[str] = []
    for folder, _, files in os.walk(inbox):
        found += [os.path.relpath(Path(folder) / name, inbox) for name in files if name in names]
    return tuple(sorted(found)[:NAMED])
