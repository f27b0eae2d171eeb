"""When each person's text may leave: their moment, and their turn if a run is spread."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from campaigns.definition.schedule import LocalTime, Otherwise, Schedule
from campaigns.lifecycle import RecipientState
from campaigns.timing.departures import Departure, Placement
from campaigns.timing.moments import Moment, Timetable
from campaigns.timing.spreading import offsets
from campaigns.timing.zones import ZONE_COLUMN, ZoneOrigin, Zones, zones_of

TURNS: Final = 1_000
"""The most turns of a spread: 3 h pass in steps of 11 s. People who share a turn may share a request."""

SHORTEST_TURN: Final = timedelta(seconds=1)


class Placer:
    """Places the people of one run in time. Use it for one pass over the audience, because it counts the turns.

    `now` (aware) is the time of planning, `firing` the moment of a repeated run. `people` is how many people are to be
    placed for each set of zones. Only `spread` needs it, and a pass with `counting` finds it.
    """

    def __init__(
        self,
        schedule: Schedule,
        now: datetime,
        *,
        firing: datetime | None = None,
        people: Mapping[str, int] | None = None,
    ) -> None:
        self._schedule = schedule
        self._now = now
        self._firing = firing
        self._people = people
        self._timetable = Timetable(schedule, firing)
        self._groups: dict[Zones | None, _Group] = {}
        self._is_local = schedule.local_time is LocalTime.RECIPIENT

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the audience that it asks for."""
        return frozenset({ZONE_COLUMN}) if self._is_local else frozenset()

    @property
    def needs_counting(self) -> bool:
        """Whether the audience has to be counted before anybody can be placed."""
        return self._schedule.spread is not None and self._people is None

    def counting(self) -> "Placer":
        """Return a placer without turns, to find out how many people there are to place."""
        return Placer(self._schedule.model_copy(update={"spread": None}), self._now, firing=self._firing)

    def afresh(self, people: Mapping[str, int] | None = None) -> "Placer":
        """Return a placer for another pass; with `people`, for the pass after counting."""
        return Placer(self._schedule, self._now, firing=self._firing, people=people or self._people)

    def place(self, number: str, fields: Mapping[str, str]) -> Placement:
        """Return the placement of the person with this number (E.164). Raises `InvalidZone` for an unknown zone."""
        zones = None
        if self._is_local:
            zones = zones_of(number, fields.get(ZONE_COLUMN, ""), self._schedule.timezone)
        group = self._groups.get(zones)
        if group is None:
            group = self._groups[zones] = self._group(zones)
        return group.next()

    def everybody(self) -> Placement:
        """Return the placement of a contact list, which has a single moment."""
        return self._group(None).next()

    def one_by_one(self, zones: str) -> Callable[[], Placement]:
        """Return what places the next person with these zones, named as in a `Departure`, each time it is called."""
        return self._group(Zones(tuple(zones.split(",")), ZoneOrigin.COLUMN) if zones else None).next

    def _group(self, zones: Zones | None) -> "_Group":
        names = ",".join(zones.names) if zones else ""
        clocks = zones or self._timetable.campaign
        (moment,) = self._timetable.moments(clocks, {}, self._now)
        if moment.at is None or self._schedule.spread is None or self._people is None:
            placement = placement_of(moment, names, self._now)
            return _Group(lambda _: 0, lambda _: placement)
        over = self._schedule.spread.over
        people = max(1, self._people.get(names, 0))
        longest = max(SHORTEST_TURN, over / TURNS)
        turn = longest if over / people < longest else timedelta.resolution  # few people each get a moment of their own
        offset, last = offsets(people, over, self._schedule.spread.ramp), people - 1
        hours = self._timetable.hours(clocks)
        return _Group(
            # If the table grew since it was counted, the new people go with the last turn.
            lambda position: offset(min(position, last)) // turn,
            lambda number: placement_of(moment.delayed(number * turn, hours), names, self._now),
        )


class _Group:
    """The people with the same zones, in audience order.

    `turn_of` turns a position into a turn, `placed` a turn into a placement.
    """

    def __init__(self, turn_of: Callable[[int], int], placed: Callable[[int], Placement]) -> None:
        self._turn_of = turn_of
        self._placed = placed
        self._position = 0
        self._turn = -1
        self._now_on: Placement | None = None

    def next(self) -> Placement:
        turn = self._turn_of(self._position)
        self._position += 1
        if self._now_on is None or turn != self._turn:
            self._turn, self._now_on = turn, self._placed(turn)
        return self._now_on


def placement_of(moment: Moment, zones: str, now: datetime) -> Placement:
    if moment.at is not None:
        return Placement(RecipientState.PENDING, Departure(zones, moment.at, moment.latest))
    if moment.missed is Otherwise.HOLD:
        # A person may release it: from then on, in the same zones, and never too late.
        return Placement(RecipientState.HELD, Departure(zones, now), moment.reason)
    return Placement(RecipientState.SKIPPED, None, moment.reason)
