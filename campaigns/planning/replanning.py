"""Compares a plan with the one before: what is new, what is void, what changed. Sent texts are never touched."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.lifecycle import RecipientState
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure
from campaigns.timing.slots import LEFT_OUT, SINGLE, Slot, slot_of

_VOID: Final = frozenset({RecipientState.CANCELLED, RecipientState.SKIPPED, RecipientState.SUPPRESSED})


_COUNTING_FOR_NOTHING: Final = frozenset({RecipientState.INVALID, RecipientState.DUPLICATE, RecipientState.EXCLUDED})


class EarlierRow(NamedTuple):
    """A row of an earlier plan. It has `text`, and its batch's `moment`, `latest` and `zones`, while it is pending.

    `is_unsent`: it is pending, or held because it was late: no request with it can have arrived.
    """

    id: int
    run_id: int
    batch_id: int | None
    number: str
    slot: str
    occurrence: int
    state: RecipientState
    is_at_gateway: bool
    is_unsent: bool
    attempts: int
    text: str
    zones: str | None
    moment: datetime | None
    latest: datetime | None

    @property
    def is_void(self) -> bool:
        """Whether it was given up before anything was sent. If it may be sent after all, it is planned once more."""
        return self.state in _VOID and not self.is_at_gateway


@dataclass(slots=True)
class Changes:
    """What a plan changes. `withdrawn`: rows by reason. `replaced`: pending rows and their replacements."""

    new: list[PlannedRecipient] = field(default_factory=list)
    withdrawn: dict[str, list[EarlierRow]] = field(default_factory=lambda: defaultdict(list))
    replaced: list[tuple[EarlierRow, PlannedRecipient]] = field(default_factory=list)
    in_doubt: int = 0  # rows to withdraw whose outcome is not known yet

    def add(self, more: "Changes") -> None:
        """Add the changes of another part of the plan."""
        self.new += more.new
        self.replaced += more.replaced
        self.in_doubt += more.in_doubt
        for reason, rows in more.withdrawn.items():
            self.withdrawn[reason] += rows

    @property
    def numbers(self) -> set[str]:
        """The numbers that it concerns."""
        withdrawn = {known.number for rows in self.withdrawn.values() for known in rows}
        return withdrawn | {row.number for row in self.new} | {known.number for known, _ in self.replaced}


def compare_reminders(
    planned: Sequence[PlannedRecipient], known: Iterable[EarlierRow], *, zone: ZoneInfo, now: datetime
) -> Changes:
    """Return what a plan of reminders changes in the known rows of its numbers. Dates are shown in `zone`.

    Appointments that are not in the plan stay as they are: a later export may omit rows.
    """
    comparison = _Comparison(known, zone, now)
    for row in planned:
        comparison.add(row)
    return comparison.changes


class _Comparison:
    def __init__(self, known: Iterable[EarlierRow], zone: ZoneInfo, now: datetime) -> None:
        self._zone, self._now = zone, now
        self._known: dict[tuple[str, str], list[tuple[Slot, EarlierRow]]] = defaultdict(list)
        for row in known:
            slot = slot_of(row.slot)
            self._known[row.number, slot.key].append((slot, row))
        self._withdrawn: set[int] = set()
        self.changes = Changes()

    def add(self, row: PlannedRecipient) -> None:
        slot = slot_of(row.slot)
        known = self._known.get((row.number, slot.key), [])
        same = [other for other_slot, other in known if other_slot == slot]
        if row.state in {RecipientState.CANCELLED, RecipientState.EXCLUDED} and slot.label != LEFT_OUT:
            self._withdraw((other for _, other in known), row.reason)
            is_known = any(other_slot.date == slot.date for other_slot, _ in known) if slot.date else bool(known)
            if not is_known:
                self.changes.new.append(row)
        elif not slot.date or row.state in _COUNTING_FOR_NOTHING:
            if not same:
                self.changes.new.append(row)
        else:
            moved = [other for other_slot, other in known if other_slot.date != slot.date]
            if moved:
                self._withdraw(moved, f"the appointment was moved to {shown_date(slot.date, self._zone)}")
            self._remind(row, same)

    def _remind(self, row: PlannedRecipient, same: Sequence[EarlierRow]) -> None:
        standing = [other for other in same if not other.is_void]
        if standing:
            if _has_changed(standing[-1], row, self._now):
                occurrence = 1 + max(other.occurrence for other in same)
                self.changes.replaced.append((standing[-1], row._replace(occurrence=occurrence)))
        elif not same:
            self.changes.new.append(row)
        elif row.state in {RecipientState.PENDING, RecipientState.HELD}:
            self.changes.new.append(row._replace(occurrence=1 + max(other.occurrence for other in same)))

    def _withdraw(self, rows: Iterable[EarlierRow], reason: str) -> None:
        for row in rows:
            if row.id in self._withdrawn:
                continue
            if row.is_unsent:
                self._withdrawn.add(row.id)
                self.changes.withdrawn[reason].append(row)
            elif row.state in {RecipientState.IN_DOUBT, RecipientState.HELD}:
                self._withdrawn.add(row.id)
                self.changes.in_doubt += 1


def _has_changed(known: EarlierRow, row: PlannedRecipient, now: datetime) -> bool:
    """Return whether a row without attempts is to leave at another time or with another text."""
    if known.state is not RecipientState.PENDING or row.departure is None or known.attempts or known.moment is None:
        return False
    if row.state is not RecipientState.PENDING:
        return False
    planned = Departure(known.zones or "", known.moment, known.latest)
    # A due row is only waiting for its turn: planned again, it would get a new moment each time.
    return known.text != row.text or (known.moment > now and planned != row.departure)


class Numbered(NamedTuple):
    """A row of a plan. `place` is 0 for the row that counts for its number; the others are numbered from 1."""

    row: PlannedRecipient
    place: int


def new_people(planned: Sequence[Numbered], known: Iterable[EarlierRow]) -> list[PlannedRecipient]:
    """Return the rows of a plan that are not in the run yet, by number: rows may have moved within the table."""
    occurrences: dict[str, list[int]] = defaultdict(list)
    for other in known:
        occurrences[other.number].append(other.occurrence)
    found = []
    for row, place in planned:
        there = occurrences.get(row.number, [])
        if not place and 0 not in there:
            found.append(row)
        elif row.state is RecipientState.EXCLUDED and 0 in there:
            continue  # a condition leaves out what is planned by now: it stays
        elif place > (more := sum(map(bool, there))):
            found.append(row._replace(occurrence=max(there, default=0) + place - more))
    return found


def slot_words(text: str, zone: ZoneInfo) -> str:
    """Describe a slot for people: `the reminder 1d before 2026-12-06 10:30, appointment A-17`; '' for no reminder."""
    slot = slot_of(text)
    if slot.label == SINGLE:
        return ""
    which = f", appointment {slot.key}" if slot.key else ""
    if not slot.date or ("before" not in slot.label and "after" not in slot.label):
        return f"no reminder{which}"
    return f"the reminder {slot.label} {shown_date(slot.date, zone)}{which}"


def shown_date(date: str, zone: ZoneInfo) -> str:
    """Return the date of a slot in a zone: `2026-12-06 10:30`. A day without a time stays as it is."""
    return f"{datetime.fromisoformat(date).astimezone(zone):%Y-%m-%d %H:%M}" if "T" in date else date
