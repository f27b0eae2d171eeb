"""The people of a plan in their order, to be placed and put into requests again under another schedule or other limits.

No table is read again and no text made: a trial takes a tenth of the time of a plan.
"""

from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from campaigns.definition.schedule import Schedule
from campaigns.forecast.agenda import Agenda
from campaigns.lifecycle import RecipientState
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Placement
from campaigns.timing.placing import Placer

_PLACED: Final = frozenset({RecipientState.PENDING, RecipientState.SUPPRESSED, RecipientState.HOLDOUT})
_NOBODY: Final = 0  # stands for a row that has no place in time


class Recorder(Placer):
    """Places everybody at once, and notes the zones of each in the order of the audience."""

    def __init__(self, schedule: Schedule, now: datetime) -> None:
        at_once = {"start": None, "window": None, "spread": None, "if_late": None, "repeat": None}
        super().__init__(schedule.model_copy(update=at_once), now)
        self.noted = deque[str]()

    def place(self, number: str, fields: Mapping[str, str]) -> Placement:
        """Return the same moment for everybody. Raises as `Placer.place`."""
        placed = super().place(number, fields)
        self.noted.append(placed.departure.zones if placed.departure else "")
        return placed

    def afresh(self, people: Mapping[str, int] | None = None) -> "Recorder":  # noqa: ARG002 - nobody takes turns here
        """Begin again: a plan that divides its people counts them first."""
        self.noted.clear()
        return self


class PeopleInOrder:
    """Every row of a plan in eleven bytes: its number, its zones, if it has a place in time, and its segments.

    `text_bytes`: what all texts take in UTF-8.
    """

    def __init__(self, planned: Iterable[PlannedRecipient], recorder: Recorder) -> None:
        """Read a plan whose people the `recorder` places."""
        self.text_bytes = 0
        self._zones = [""]  # by number, from 1
        self._rows, self._segments, self._phones = array("H"), array("B"), array("Q")
        numbers: dict[str, int] = {}
        for row in planned:
            number = _NOBODY
            if row.state in _PLACED:
                zones = recorder.noted.popleft()
                number = numbers.setdefault(zones, len(numbers) + 1)
                if number == len(self._zones):
                    self._zones.append(zones)
            self._rows.append(number)
            is_sent = row.state is RecipientState.PENDING
            self._segments.append(row.segments if is_sent else 0)
            self._phones.append(int(row.number) if is_sent else 0)  # +393331234567
            self.text_bytes += len(row.text.encode())
        self._people = Counter(self._rows)

    def fill(
        self, agenda: Agenda, schedule: Schedule, limits: BatchLimits, now: datetime, *, firing: datetime | None = None
    ) -> Agenda:
        """Return the agenda with what would be sent when, if the campaign had this schedule; all are as in a plan."""
        people = {zones: self._people[number] for number, zones in enumerate(self._zones) if number}
        placer = Placer(schedule, now, firing=firing, people=people)
        for chunk in into_batches(self._placed([placer.one_by_one(zones) for zones in self._zones]), limits):
            agenda.add(chunk)
        return agenda

    def _placed(self, next_of: list[Callable[[], Placement]]) -> Iterator[PlannedRecipient]:
        nobody = PlannedRecipient("", 0, "", 0, RecipientState.INVALID)
        for number, segments, phone in zip(self._rows, self._segments, self._phones, strict=True):
            if number == _NOBODY:
                yield nobody
                continue
            placed = next_of[number]()  # also for who opted out: their turn of a spread stays empty
            if segments:
                state, departure = placed.state, placed.departure
                yield PlannedRecipient(f"+{phone}", 0, "", 0, state, "", "", segments, departure)
            else:
                yield nobody


def smallest(works: Callable[[int], bool], most: int) -> int | None:
    """Return the smallest of 1 to `most` that works; None: none was found. If one works, larger ones are expected to.

    Found by doubling and bisection, so that small ones are found soon.
    """
    if most < 1:
        return None
    low, high = 0, 1
    while not works(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high
