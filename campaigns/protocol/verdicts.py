"""What may be concluded about a request in doubt from the gateway's reads. Pure: one decision in one place.

Absence proves little: a read may lag, fail or be wrongly empty. So a positive needs one full match, and a negative
needs two whole looks at or after `settle`, each with a control: the same kind of read must show a message that the
gateway certainly has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

SWEEPS: Final = (1 / 60, 1 / 15, 1 / 5, 1 / 2, 1.0)
"""When a request in doubt is looked up: these shares of `settle` after its `send_by`."""

MOST_ROUNDS: Final = 3
"""How often people may be sent to again after a proven miss before a person has to decide."""

BLIND_CHECKS: Final = 8
"""After this many whole look-ups past `settle` that could not prove anything, a person has to decide."""


LOOKS_TO_MISS: Final = 2
"""This many whole looks at or past `settle`, each with its control, prove that a request was not stored."""


class Verdict(StrEnum):
    """What to do with a request in doubt."""

    ALL_FOUND = "all_found"  # the gateway has everybody
    WAIT = "wait"  # look again at the next sweep
    MISSED = "missed"  # people who were not found were not stored: the outcome's own consequence follows
    HOLD = "hold"  # nobody can tell; a person decides


@dataclass(frozen=True, slots=True)
class LookUp:
    """One look at the gateway: whether all its reads succeeded, and how many recipients it found.

    `control`: whether it saw a message that the gateway certainly has; None: there is no such message yet.
    """

    at: datetime
    complete: bool
    found: int
    control: bool | None

    def to_json(self) -> dict[str, object]:
        """Return it as it is stored in the evidence."""
        return {"at": self.at.isoformat(), "complete": self.complete, "found": self.found, "control": self.control}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Return the look that `to_json` wrote."""
        return cls(datetime.fromisoformat(kept["at"]), kept["complete"], kept["found"], kept["control"])


def verdict(look_ups: Sequence[LookUp], *, sought: int, settled_at: datetime, suspicion_only: bool = False) -> Verdict:
    """Decide from the look-ups so far, oldest first.

    `suspicion_only`: the reply was a refusal from the allow-list, and the look-up only guards against a wrong row in
    that list. One complete read that finds nothing is enough.
    """
    if not look_ups:
        return Verdict.WAIT
    last = look_ups[-1]
    if last.found >= sought:
        return Verdict.ALL_FOUND
    complete = [look for look in look_ups if look.complete]
    if suspicion_only and last.complete and last.found == 0:
        return Verdict.MISSED
    if last.at < settled_at:
        return Verdict.WAIT
    # The control may have been read separately from the empty look that it vouches for: one wrong read in between must
    # not be enough.
    vouched = sum(look.at >= settled_at and bool(look.control) for look in complete)
    if last.complete and last.control and vouched >= LOOKS_TO_MISS:
        return Verdict.MISSED
    # A failed look does not count: a gateway that is away overnight, or refuses the key, must not make work for people.
    after_settle = sum(look.at >= settled_at for look in complete)
    # This includes an account without any message: nothing shows yet that its reads can be trusted, but its other
    # requests may.
    return Verdict.HOLD if after_settle >= BLIND_CHECKS else Verdict.WAIT


def next_look(now: datetime, *, send_by: datetime, settle: timedelta) -> datetime:
    """Return the next sweep after `now`; past `settle`, every fifth of it, at least a second away."""
    sweeps = (send_by + settle * share for share in SWEEPS)
    return next((at for at in sweeps if at > now), now + max(settle / 5, timedelta(seconds=1)))
