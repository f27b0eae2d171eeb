"""Which phones a batch may go by: those that may text its people this month, or the one phone of each of them.

This comes before a slot is taken, because a rate gives none back. The intent counts once more, and decides.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from campaigns.calendar.periods import month_of
from campaigns.clock import Clock
from campaigns.codes import WaitsFor
from campaigns.definition import Definition
from campaigns.sending.sticking import Ranking
from worker.limits.batch_limits import Route, routes
from worker.limits.limits_in_force import CeilingsInForce
from worker.limits.planned_limits import LIST_OF_UNKNOWN_PEOPLE
from worker.logs import get_logger
from worker.settings.settings import Settings
from worker.store.bulk import in_parts
from worker.store.engine import Store
from worker.store.people import device_people, people_on_record
from worker.store.people.device_people import PeopleLimit, device_key
from worker.store.sending import batch_splits, queue
from worker.store.sending.batch_splits import branch_off
from worker.store.sending.claim import Work, load_work
from worker.store.sending.outcome import hold_batch

AT_ONCE: Final = 20
"""Phones that are looked at together. Mostly the first of them has room; a fleet may have 10,000."""


@dataclass(frozen=True, slots=True)
class ByPhones:
    """A batch and the ways that it may go, the preferred one first; the intent keeps `limit`.

    `is_narrowed`: its campaign has other phones, which do not send to these people.
    """

    work: Work
    routes: Sequence[Route]
    limit: PeopleLimit | None = None
    is_narrowed: bool = False


class _Room:
    """What phones may still do in a month: so many new people each, and everybody whom they texted already."""

    def __init__(self, limit: PeopleLimit, used: Mapping[str, int], phones: Collection[str]) -> None:
        self.left = {phone: max(0, limit.most - used.get(phone, 0)) for phone in phones}
        self.texted: Set[tuple[str, str]] = frozenset()

    def takes(self, phone: str, number: str) -> bool:
        """Return whether the phone may text this person, and count them."""
        if (phone, number) in self.texted:
            return True
        self.left[phone] -= 1
        return self.left[phone] >= 0


class Phones:
    """Chooses for a batch, and parts it if its people cannot go by the same phone. Shared by all threads."""

    def __init__(self, store: Store, ceilings: CeilingsInForce, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._ceilings = ceilings
        self._clock = clock
        self._zone = settings.zone
        self._counted: datetime | None = None  # the month that this process has counted

    def choose(self, work: Work, definition: Definition) -> ByPhones | None:
        """Return the ways of the batch; None if nobody in it may be sent to now. It then waits, or is held."""
        ceilings, ranking = self._ceilings.current(), definition.devices.ranking
        # With `stick`, a phone on which a text failed gets it again, unless it is stuck.
        avoid = work.avoid_device if ranking is None else None
        only = work.target if ranking is None or work.target in ranking.phones else ""
        ways = routes(definition, first=work.ordinal, stuck=ceilings.stuck, avoid=avoid, only=only)
        limit = self._limit(ceilings.device_people_monthly)
        if limit is None and (ranking is None or len(ways) == 1):
            return ByPhones(work, ways, is_narrowed=ranking is not None)
        if limit is not None and work.list_id is not None:
            with self._store.write("phones_list") as session:
                hold_batch(session, work.batch_id, LIST_OF_UNKNOWN_PEOPLE)
            return None
        rest = None
        if limit is not None and (ranking is None or len(ways) == 1):
            whole, best = self._with_room(work, ways, limit)
            if whole:
                return ByPhones(work, whole, limit, is_narrowed=ranking is not None or len(whole) < len(ways))
            if best is not None and len(ways) > 1:
                rest = self._clock.now()  # another phone may have room for them
            ways = ways if best is None else [best]
        if ranking is not None:
            ways, rest = routes(definition, first=work.ordinal, stuck=ceilings.stuck), None
        return self._part(work, {device_key(way.targets): way for way in ways}, ranking, limit, rest=rest)

    def _limit(self, most: int | None) -> PeopleLimit | None:
        if most is None:
            self._counted = None  # requests of this process are not counted from here on
            return None
        return PeopleLimit(*month_of(self._clock.now(), self._zone), most)

    def _with_room(self, work: Work, ways: Sequence[Route], limit: PeopleLimit) -> tuple[list[Route], Route | None]:
        """Return the ways that the whole batch may go, and the one that most of it may go; None: nobody in it may."""
        best: Route | None = None
        most = 0
        for some in in_parts(ways, AT_ONCE):
            keys = [device_key(way.targets) for way in some]
            left = _Room(limit, self._used(work.account_id, limit, keys), keys).left
            with self._store.look() as connection:
                texted = device_people.texted_in(connection, work.account_id, limit.month, work.batch_id, keys)
            rooms = {way: left[key] + texted.get(key, 0) for way, key in zip(some, keys, strict=True)}
            if whole := [way for way, room in rooms.items() if room >= work.recipients]:
                return whole, whole[0]
            way = max(some, key=rooms.__getitem__)
            if rooms[way] > most:
                best, most = way, rooms[way]
        return [], best

    def _used(self, account_id: int, limit: PeopleLimit, phones: Sequence[str]) -> dict[str, int]:
        """Return how many people these phones texted this month.

        It is counted first when the setting is new to this process, the month is, or somebody deleted the rows.
        """
        if self._counted == limit.month:
            with self._store.look() as connection:
                found = device_people.used(connection, account_id, limit.month, phones)
            if found is not None:
                return found
        with self._store.write("people_counted") as session:
            people_on_record.count_month(session, account_id, (limit.month, limit.until))
            found = device_people.used(session.connection(), account_id, limit.month, phones)
        self._counted = limit.month
        return found or {}

    def _part(
        self,
        work: Work,
        ways: Mapping[str, Route],
        ranking: Ranking | None,
        limit: PeopleLimit | None,
        *,
        rest: datetime | None,
    ) -> ByPhones | None:
        """Give each person of the batch a phone. The most of one phone keep the batch, the others get their own.

        People whom none of the phones may text this month wait for the next one, or until `rest`.
        """
        now = self._clock.now()
        room = None if limit is None else _Room(limit, self._used(work.account_id, limit, list(ways)), ways)
        by_phone: dict[str, list[int]] = defaultdict(list)
        waiting: list[int] = []
        with self._store.write("phones") as session:
            people = batch_splits.waiting_people(session, work.batch_id)
            if limit is not None and room is not None:
                numbers = [number for _, number in people]
                room.texted = device_people.texted_by(session, work.account_id, limit.month, numbers)
            for id_, number in people:
                order = ways if ranking is None else [phone for phone in ranking.ranked(number) if phone in ways]
                phone = next((each for each in order if room is None or room.takes(each, number)), None)
                (waiting if phone is None else by_phone[phone]).append(id_)
            if not people:
                return None  # another process has it
            chosen = max(by_phone, key=lambda phone: len(by_phone[phone]), default=None)
            if limit is not None and waiting:
                self._wait(session, work, limit, waiting if chosen else None, until=rest or limit.until)
            if chosen is None:
                return None
            for phone, ids in by_phone.items():
                if phone != chosen:
                    branch_off(session, work.batch_id, ids, until=now, waits_for=WaitsFor.NOTHING)
            found = load_work(session, work.batch_id)
        return None if found is None else ByPhones(found, [ways[chosen]], limit, is_narrowed=True)

    def _wait(
        self, session: Session, work: Work, limit: PeopleLimit, some: Sequence[int] | None, *, until: datetime
    ) -> None:
        """Let these people of the batch (None: all) wait."""
        reason = f"its phones have texted {limit.most:,} different people each this month, as many as they may"
        why: dict[str, Any] = {"until": until, "waits_for": WaitsFor.BUDGET, "reason": reason}
        if some is None:
            queue.snooze_batch(session, work.batch_id, **why)
        else:
            branch_off(session, work.batch_id, some, **why)
        if until == limit.until:
            get_logger().info("people.spent", run=work.run_id, batch=work.batch_id, until=until.isoformat())
