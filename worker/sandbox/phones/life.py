"""A message's whole life, computed when it is accepted; its status at any time is then a matter of comparing times.

Times are unix seconds as floats, because a batch of 100 is accepted in about a millisecond and datetimes would double
that. A SIM sends one message after the other, `1 / pace_per_second` seconds each.

Numbers with which a person can provoke an outcome, whatever the shares are set to:

- ending in `9990001`: the phone fails to send it (`Failed`, result code 1);
- ending in `9990002`: sent, but no delivery report ever arrives (stays `Sent`);
- ending in `9990003`: no phone ever picks it up (stays `Pending`);
- ending in `9991` and three digits: the phone fails with that result code (`9991004`: no service).

They have seven digits, so that generated audiences (`+39333` and a counter) do not hit them by accident.
"""

import re
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

NEVER: Final = 253_402_300_799.0
"""The last second of the year 9999: later than every query, and still a date."""

RESULT_OK: Final = -1
RESULT_GENERIC_FAILURE: Final = 1
ERROR_NETWORK_OUT_OF_ORDER: Final = 38
"""Android's result codes, and the carrier's cause (3GPP TS 24.011) that accompanies the failure here."""


class Outcome(StrEnum):
    """How a life ends."""

    DELIVERED = "delivered"
    FAILED = "failed"
    NO_REPORT = "no_report"
    STUCK = "stuck"
    RECEIVED = "received"  # an inbound message: its life is over when it arrives


FAILS_WITH: Final = re.compile("9991([0-9]{3})$")

PROVOKED: Final = {
    "9990001": Outcome.FAILED,
    "9990002": Outcome.NO_REPORT,
    "9990003": Outcome.STUCK,
}


class Life(NamedTuple):
    """Moments in unix seconds, `NEVER` for what does not happen: scheduled until `due_at`, pending until `turn_at`,
    queued on the phone until `sent_at`, sent until `done_at`."""

    due_at: float
    turn_at: float
    sent_at: float
    done_at: float
    outcome: Outcome
    result_code: int = RESULT_GENERIC_FAILURE  # if it fails


@dataclass(frozen=True, slots=True)
class LifeRules:
    """The pace of a SIM, the delay of its delivery reports and the shares of bad outcomes; see `SandboxOptions`."""

    pace_per_second: float
    delivery_min_seconds: float
    delivery_max_seconds: float
    failed: float
    no_report: float
    seed: int

    def life(self, message_id: int, number: str, due: float, free_at: float, failing: int | None = None) -> Life:
        """Return the life of a message that is due at `due` on a SIM that has other work until `free_at`.

        `failing`: the result code of a phone that fails whatever it is given.
        """
        outcome = self.outcome(number) if failing is None else Outcome.FAILED
        if outcome is Outcome.STUCK:
            return Life(due, NEVER, NEVER, NEVER, outcome)
        turn_at = max(due, free_at)
        sent_at = turn_at + 1.0 / self.pace_per_second
        if outcome is Outcome.DELIVERED:
            spread = self.delivery_max_seconds - self.delivery_min_seconds
            # Knuth's multiplicative hash: neighbouring IDs get very different delays, and the same ones in every run.
            share = ((message_id + self.seed) * 2_654_435_761 & 0xFFFF_FFFF) / 0x1_0000_0000
            return Life(due, turn_at, sent_at, sent_at + self.delivery_min_seconds + spread * share, outcome)
        if outcome is Outcome.FAILED:
            return Life(due, turn_at, sent_at, sent_at, outcome, failure_code(number) if failing is None else failing)
        return Life(due, turn_at, sent_at, NEVER, outcome)

    def outcome(self, number: str) -> Outcome:
        """Return the outcome of every text to this number: the provoked outcome, or else by the shares."""
        provoked = PROVOKED.get(number[-7:])
        if provoked is not None:
            return provoked
        if FAILS_WITH.search(number):
            return Outcome.FAILED
        if self.failed or self.no_report:
            # `surrogatepass`: JSON may carry lone surrogates, and a sandbox must not fail on a silly number.
            digest = zlib.crc32(f"{self.seed}:{number}".encode("utf-8", "surrogatepass"))
            share = digest / 0x1_0000_0000
            if share < self.failed:
                return Outcome.FAILED
            if share < self.failed + self.no_report:
                return Outcome.NO_REPORT
        return Outcome.DELIVERED


def failure_code(number: str) -> int:
    """Return the result code with which texts to this number fail, if they do."""
    provoked = FAILS_WITH.search(number)
    return int(provoked[1]) if provoked else RESULT_GENERIC_FAILURE


def due_at(accepted_at: float, schedule: int | None) -> float:
    """Return the moment from which a message may be sent."""
    return max(accepted_at, float(schedule or 0))


def received(at: float) -> Life:
    """Return the life of an inbound message that arrived at `at`."""
    return Life(at, at, at, at, Outcome.RECEIVED)


def status_at(life: Life, now: float) -> str:
    """Return the gateway's word for where the message is at `now`."""
    if now >= life.done_at:
        if life.outcome is Outcome.DELIVERED:
            return "Delivered"
        return "Failed" if life.outcome is Outcome.FAILED else "Received"
    if now >= life.sent_at:
        return "Sent"
    if now >= life.turn_at:
        return "Queued"
    return "Pending" if now >= life.due_at else "Scheduled"
