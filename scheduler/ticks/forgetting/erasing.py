"""Erases people who had to wait, and what is older than the settings keep. Only a service does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias

from sqlmodel import Session

from campaigns.access import SCHEDULER
from scheduler.actions.acting import acting, audited
from scheduler.actions.forgetting.erasing import erase_settled
from scheduler.ticks.every import RESTS, Every
from scheduler.ticks.forgetting.reports import OldReports, warn
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.forgetting import ageing
from worker.store.forgetting.wiping import has_traces, wipe

EVERY: Final = timedelta(hours=1)
"""How often to look for what is old enough."""

ASKED: Final = timedelta(minutes=5)
"""How often to look whether people who wait can be erased by now. Requests wait for the moment that it takes."""

PORTIONS: Final = 50
"""The most transactions of one look: others of this process wait for it. The rest follows a minute later."""

NEXT: Final = timedelta(minutes=1)

WIPED: Final = timedelta(hours=24)
"""How often what is left in a database is removed by the service: it takes as long as reading all of it."""

Portion: TypeAlias = Callable[[Session, int], tuple[int | None, int]]
"""Forgets the next rows after an id; returns the last of them (None: there are none), and how many it changed."""


@dataclass(slots=True)
class ErasingTick:
    """Erases who waited every few minutes, and what is old every hour, in portions.

    `reached`: how far something was forgotten that is not done yet.
    """

    asked: Every = field(default_factory=lambda: Every(ASKED.total_seconds()))
    look: Every = field(default_factory=lambda: Every(EVERY.total_seconds()))
    wipes: Every = field(default_factory=lambda: Every(WIPED.total_seconds()))
    reached: dict[str, int] = field(default_factory=dict)
    reports: OldReports = field(default_factory=OldReports)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        if runtime.only_runs is not None:
            return {"erased": 0}
        at, gone = runtime.clock.elapsed_seconds(), 0
        if self.asked.is_due(at):
            self.asked.rest(at)
            settled = erase_settled(runtime.store, inbox=runtime.settings.inbox, now=now)
            gone += settled.erased
            if gone:
                get_logger().info("people.erased", people=gone)
            warn(settled.reports)
        if self.look.is_due(at):
            self.look.rest(at)
            look = _Look(runtime, now, self.reached)
            gone += look.forget()
            if not (look.forget_reports(runtime, self.reports) and look.is_done):
                self.look.rest(at, NEXT.total_seconds())
            elif self.wipes.is_due(at) and has_traces(runtime.store):
                self.wipes.rest(at)
                wipe(runtime.store)
        return {"erased": gone} if gone else RESTS


class _Look:
    """One look at everything that can be old."""

    def __init__(self, runtime: Runtime, now: datetime, reached: dict[str, int]) -> None:
        self._store: Store = runtime.store
        self._now = now
        self._texts = _before(now, runtime.settings.keep_texts_days)
        self._people = _before(now, runtime.settings.keep_people_days)
        self._reached = reached
        self._left = PORTIONS

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that is old enough."""
        return self._left > 0

    def forget(self) -> int:
        """Forget what is old enough; return how many rows that were."""
        counts: dict[str, Any] = {"texts": 0, "people": 0, "replies": 0, "writers": 0, "others": 0}
        texts, people = self._texts, self._people
        if texts is not None:
            counts["texts"] = self._runs(ageing.TEXTS, texts, partial(ageing.empty_texts, now=self._now))
            counts["replies"] = self._portions(
                lambda session, after: ageing.empty_replies(session, texts, after=after, now=self._now), "replies"
            )
        if people is not None:
            counts["people"] = self._runs(ageing.PEOPLE, people, partial(ageing.erase_people, now=self._now))
            counts["writers"] = self._portions(
                lambda session, after: ageing.erase_writers(session, people, after=after, now=self._now), "writers"
            )
        if texts is not None or people is not None:
            with self._store.write("forget_rest") as session:
                counts["others"] = ageing.forget_rest(session, texts, people)
        gone: int = sum(counts.values())
        if gone:
            with acting(self._store, SCHEDULER, "forget", transaction="forgotten", now=self._now) as session:
                audited(session, **counts)
            get_logger().info("people.forgotten", **counts)
        return gone

    def forget_reports(self, runtime: Runtime, reports: OldReports) -> bool:
        """Forget whom old reports in the inbox name; return whether all were looked at."""
        return reports.forget(runtime, self._texts, self._people, self._now)

    def _runs(self, what: Any, before: datetime, forget: Callable[..., tuple[int | None, int]]) -> int:
        gone = 0
        while self._left > 0:
            with self._store.read() as session:
                found = ageing.old_runs(session, what, before)
            if not found:
                break
            for run_id in found:
                gone += self._portions(_of_run(forget, run_id), f"{what.name}:{run_id}")
                if self._left <= 0:
                    break
                with self._store.write("forget_run") as session:
                    ageing.end_run(session, run_id, what, now=self._now)
        return gone

    def _portions(self, forget: Portion, place: str) -> int:
        """Forget portion after portion, from where the call before ended (`place`)."""
        after: int | None = self._reached.pop(place, 0)
        gone = 0
        while after is not None:
            if self._left <= 0:
                self._reached[place] = after
                break
            self._left -= 1
            with self._store.write("forget_portion") as session:
                after, some = forget(session, after)
            gone += some
        return gone


def _of_run(forget: Callable[..., tuple[int | None, int]], run_id: int) -> Portion:
    return lambda session, after: forget(session, run_id, after=after)


def _before(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)
