"""How often one person may be texted: what a frequency cap allows, what it holds back, and for how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.definition import Definition
from campaigns.definition.models import OverCap
from campaigns.policy import NO_POLICY, Policy
from campaigns.timing.sending_hours import hours_of
from campaigns.values.durations import format_duration

STEP: Final = timedelta(minutes=1)
"""People who have to wait are put off to a full minute: those with the same minute may share a request."""

NAMED: Final = 3
"""How many campaigns are named in the reason for a person over a cap."""


@dataclass(frozen=True, slots=True)
class EarlierText:
    """A text that the gateway has, or may have, for a person: its campaign, and since when."""

    campaign: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `messages` texts from campaigns of this kind to one person in any period of `per`.

    `is_patient`: people over the cap wait; otherwise they get nothing. `opens` returns the first moment, at or after
    the given one, at which the campaign may send to them (None: never). `zone` is used to show dates.
    """

    kind: str
    messages: int
    per: timedelta
    is_patient: bool
    zone: ZoneInfo
    opens: Callable[[datetime], datetime | None]

    def since(self, now: datetime) -> datetime:
        """Return the moment up to which texts no longer count at `now`."""
        return now - self.per

    def free_at(self, earlier: Sequence[EarlierText]) -> datetime | None:
        """Return when a person over the cap may get a text again. `earlier` are their newest `messages` texts.

        None: the window does not open again.
        """
        drops_out = min(text.at for text in earlier) + self.per
        return self.opens(drops_out + -(drops_out - datetime.min.replace(tzinfo=drops_out.tzinfo)) % STEP)

    def words(self, earlier: Sequence[EarlierText]) -> str:
        """Return the reason: `2 texts of marketing campaigns in the last 7d: spring-sale on 2026-11-20, ...`."""
        texts = amount(len(earlier), "text")
        told = [(text.campaign, text.at.astimezone(self.zone).date()) for text in sorted(earlier, key=lambda t: t.at)]
        named = [
            f"{campaign} on {day}" + (f" ({count} texts)" if (count := len(list(same))) > 1 else "")
            for (campaign, day), same in groupby(told)
        ]
        more = f" and {len(named) - NAMED} more" if named[NAMED:] else ""
        return (
            f"{texts} of {self.kind} campaigns in the last {format_duration(self.per)}: "
            f"{', '.join(named[:NAMED])}{more}"
        )


def cap_of(definition: Definition, zones: str = "", policy: Policy = NO_POLICY) -> Cap | None:
    """Return the cap of a campaign for people with these zones (names joined by commas; empty: the campaign's own)."""
    cap, schedule = policy.cap_in_force(definition), definition.schedule
    if cap is None:
        return None
    hours = hours_of(schedule, zones, within=policy.hours_in_force(definition))
    return Cap(
        definition.kind.value,
        cap.messages,
        cap.per,
        cap.otherwise is OverCap.DEFER,
        schedule.zone,
        hours.next_open if hours else lambda moment: moment,
    )
