"""When one text may leave. Apart from what decides that: the store only keeps it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from campaigns.lifecycle import RecipientState


class Departure(NamedTuple):
    """When a text may leave: in these zones, from `at` on, and not after `latest` (None: never too late).

    `zones` are names joined by commas; empty for the campaign's own zone. `avoid_device`: it failed on this device, and
    is sent by another one if there is one.
    """

    zones: str
    at: datetime
    latest: datetime | None = None
    avoid_device: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """What the schedule decides for a person who could get a text: pending, or skipped or held with a reason."""

    state: RecipientState
    departure: Departure | None
    reason: str = ""
