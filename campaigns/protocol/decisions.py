"""Decides what becomes of everybody in a request in doubt once a verdict is reached. Pure, and the only such place.

A verdict (`campaigns.protocol.verdicts`) says what is proven. A decision says what follows from it, given how the
request ended and what the campaign file wants. The scheduler carries it out in one transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from campaigns.protocol.matching import Candidate, Match, Sought
from campaigns.protocol.verdicts import MOST_ROUNDS, Verdict


class Ending(StrEnum):
    """How a request in doubt ended. The values are those of the gateway client's outcomes."""

    UNKNOWN = "unknown"  # no reply that proves anything
    ACCOUNT = "account"  # key, credits, subscription, address
    REFUSED = "refused"  # this request will never be accepted as it is
    THROTTLED = "throttled"  # later
    TOO_BIG = "too_big"  # in smaller batches

    @property
    def is_refusal(self) -> bool:
        """An answer from the allow-list. It is still looked up once, because a wrong row there would double texts."""
        return self is not Ending.UNKNOWN


class SendAgain(StrEnum):
    """When people who are pending again may get their text."""

    AT_ONCE = "at_once"  # unless the account or the run is paused
    BACKED_OFF = "backed_off"  # after the pause that grows with the attempts


@dataclass(frozen=True, slots=True)
class Decision:
    """Everybody in the request, by what becomes of them. The ids are recipient ids; each is in exactly one place.

    `place`: they have these messages. `release`: they were not stored and are pending again. `fail`: they were refused
    for good. `hold`: a person decides. `split`: cut the batch in half. `pause_run`, `pause_account`: the reason to
    pause it, or "".
    """

    place: Mapping[int, Candidate]
    release: tuple[int, ...] = ()
    fail: tuple[int, ...] = ()
    hold: tuple[int, ...] = ()
    reason: str = ""
    retry: SendAgain = SendAgain.AT_ONCE
    split: bool = False
    pause_run: str = ""
    pause_account: str = ""


UNPROVEN: Final = "the gateway's reads do not prove whether it was sent"
UNCLEAR: Final = "the gateway has a message that may be this one, but to other people or with another text"
WORN_OUT: Final = f"not found at the gateway after it was sent {MOST_ROUNDS + 1} times"
NOT_FOUND: Final = "not found at the gateway"
CORRECT_DEVICES: Final = "Correct devices.use."
TWICE: Final = "the gateway has texts of this campaign twice: something else also sends them on this account"


def decide(
    verdict: Verdict,
    ending: Ending,
    sought: Sought,
    match: Match,
    *,
    problem: str,
    rounds: int,
    may_resend: bool,
    stops_run: bool,
) -> Decision:
    """Decide what becomes of the people in one request. `verdict` is not WAIT.

    `problem` is the gateway's refusal in one sentence. `rounds` is how often the batch was sent again after a proven
    miss. `may_resend` is what the file's `on_unknown` allows. `stops_run`: it refuses the devices of the whole
    run, not a person.
    """
    found = Decision(match.found, pause_account=TWICE if match.doubled else "")
    missed = tuple(id_ for id_, _ in sought.recipients.values() if id_ not in match.found)
    if verdict is Verdict.ALL_FOUND or not missed:
        return found
    if verdict is Verdict.HOLD:
        return replace(found, hold=missed, reason=UNPROVEN)
    # A person with a message that may be theirs is never sent to again automatically, whatever the gateway said.
    unclear = tuple(id_ for id_ in missed if id_ in match.unclear)
    missed = tuple(id_ for id_ in missed if id_ not in match.unclear)
    if unclear:
        return replace(found, release=missed, hold=unclear, reason=UNCLEAR, retry=SendAgain.BACKED_OFF)
    sent_again = replace(found, release=missed, reason=problem)
    if ending is Ending.REFUSED and stops_run:
        return replace(sent_again, pause_run=f"{problem} {CORRECT_DEVICES}")
    if ending in {Ending.REFUSED, Ending.TOO_BIG}:
        # Halving finds the people whom the gateway rejects: 14 requests for one among 100, and the others get theirs.
        if len(sought.recipients) == 1:
            return replace(found, fail=missed, reason=problem)
        return replace(sent_again, split=True)
    if ending is Ending.ACCOUNT:
        return sent_again
    if ending is Ending.THROTTLED:
        return replace(sent_again, retry=SendAgain.BACKED_OFF)
    if not may_resend:
        return replace(found, hold=missed, reason=NOT_FOUND)
    if rounds >= MOST_ROUNDS:
        return replace(found, hold=missed, reason=WORN_OUT)
    return replace(found, release=missed, reason=NOT_FOUND, retry=SendAgain.BACKED_OFF)


def decide_list(verdict: Verdict, ending: Ending, match: Match, *, problem: str) -> Decision:
    """Decide the same for a request to a contact list, whose people only the gateway knows.

    A list that is not found is held, whatever `on_unknown` says: nobody could tell a second text to a whole list from
    the first.
    """
    if match.found:
        return Decision(match.found)
    if ending is Ending.UNKNOWN or verdict is Verdict.HOLD:
        return Decision({}, reason="it is not known whether the gateway sent to the list")
    pause_run = problem if ending in {Ending.REFUSED, Ending.TOO_BIG} else ""
    return Decision({}, reason=problem, retry=SendAgain.BACKED_OFF, pause_run=pause_run)
