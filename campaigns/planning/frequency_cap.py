"""How often one person may be written to: what a frequency cap lets go, what it keeps back, and for how long."""

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
from campaigns.timing.placing import hours_of
from campaigns.values.durations import format_duration

STEP: Final = timedelta(minutes=1)
"""Whoever has to wait is put off to a full minute: who shares one may share a request."""

NAMED: Final = 3
"""So many campaigns are named in the reason of somebody who is over a cap."""


@dataclass(frozen=True, slots=True)
class EarlierText:
    """A text that the gateway has, or may have, for a person: of which campaign, and since when."""

    campaign: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `messages` texts of campaigns of this kind for one person in any stretch of `per`.

    `is_patient`: whoever is over it waits, else they get nothing. `opens` names the first moment, from one on, at which
    the campaign may send to them (None: never); `zone` is the one that dates are told in.
    """

    kind: str
    messages: int
    per: timedelta
    is_patient: bool
    zone: ZoneInfo
    opens: Callable[[datetime], datetime | None]

    def since(self, now: datetime) -> datetime:
        """What was sent up to this moment does not count any more at `now`."""
        return now - self.per

    def free_at(self, earlier: Sequence[EarlierText]) -> datetime | None:
        """When somebody who is over it may be sent to again; `earlier` are their newest texts, `messages` of them.

        None: the window does not open any more.
        """
        drops_out = min(text.at for text in earlier) + self.per
        return self.opens(drops_out + -(drops_out - datetime.min.replace(tzinfo=drops_out.tzinfo)) % STEP)

    def words(self, earlier: Sequence[EarlierText]) -> str:
        """Why somebody is over it: `2 texts of marketing campaigns in the last 7d: spring-sale on 2026-11-20, ...`."""
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
    """The cap of a campaign, for people with these zones (names joined by commas; empty: the campaign's own)."""
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
