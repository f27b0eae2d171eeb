"""Codes that are stored and decided by, and the sentences that people are shown for them, made last.

Values, not names, are stored: a member may get another name or sentence, its value stays.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


class RunType(StrEnum):
    """How a run came to be. What it is known by within its campaign is its moment."""

    ONCE = "once"  # of a campaign that runs once
    FIRING = "firing"  # one moment of a campaign that repeats
    REMINDER_DAY = "reminder_day"  # one day of a campaign that reminds
    RESEND = "resend"  # sends the failed texts of another run again
    TEST = "test"  # `campaigns test`
    HELP = "help"  # one day of answers to HELP


MADE_BY_FILES: Final = frozenset({RunType.ONCE, RunType.FIRING, RunType.REMINDER_DAY})
"""Runs that a campaign's file makes, each file one type of them."""

DAYS: Final = frozenset({RunType.REMINDER_DAY, RunType.HELP})
"""Runs whose moment is a day (`2026-12-05`), and to which people are added while it lasts."""


class WaitsFor(StrEnum):
    """What a planned or queued batch waits for, besides its own moment."""

    NOTHING = ""
    THROTTLE = "throttle"  # it had its turn and got no slot: it takes the next one and is not counted again
    BUDGET = "budget"  # the end of a budget's period: a job that it still has leads nowhere
    WINDOW = "window"  # its sending hours
    DOUBT = "doubt"  # requests of the account that are looked up first
    NUMBER = "number"  # its people's numbers, which are in doubt in other requests
    CAP = "cap"  # the end of the frequency cap of everybody in it
    CAP_PASSED = "cap_passed"  # those of its people to be left out who reached the cap just now
    OPT_OUTS = "opt_outs"  # people to be taken off the contact list that it goes to
    BACK_OFF = "back_off"  # the pause after a request that failed
    RETRY = "retry"  # people of it were in a request before, and are sent to again


WAITING: Final[Mapping[WaitsFor, str]] = {
    WaitsFor.THROTTLE: "waiting for the throttle",
    WaitsFor.BUDGET: "the budget of the day or month is spent",
    WaitsFor.WINDOW: "outside the window",
    WaitsFor.DOUBT: "too many requests in doubt",
    WaitsFor.NUMBER: "numbers in doubt elsewhere",
    WaitsFor.CAP: "waits for its frequency cap",
    WaitsFor.CAP_PASSED: "the frequency cap was reached just now",
    WaitsFor.OPT_OUTS: "people who opted out are taken off the contact list first",
}
"""What is shown of a batch that has no reason of its own."""


class PausedBy(StrEnum):
    """Who or what has paused an account, or a run."""

    NOBODY = ""
    PERSON = "person"
    GATEWAY = "gateway"  # it cannot be reached or read, or refuses
    ALARM = "alarm"  # something that must not be, or too much of what may: a person has to look
    QUARANTINE = "quarantine"  # the database forgot what was sent: ends with `campaigns recover`
    NEW_GATEWAY = "new_gateway"  # another gateway than the one that the account's IDs are of
    RELOCATION = "relocation"  # a move to another database: ends with that alone


PAUSED: Final[Mapping[PausedBy, str]] = {
    PausedBy.PERSON: "paused by hand",
    PausedBy.QUARANTINE: (
        "the database is older than what was sent from it (a restored backup or a fail-over); "
        "let the gateway be swept for what it forgot: campaigns recover"
    ),
    PausedBy.NEW_GATEWAY: (
        "the gateway gave IDs that it had given before: it was set up anew or restored, or another one has its "
        "address; nothing is sent and no receipt believed; if it is the right one, tell it: "
        "campaigns resume CAMPAIGN --new-gateway"
    ),
}
"""What is shown of a pause that has no reason of its own."""


class FailureCode(StrEnum):
    """How a request failed."""

    CONNECT_FAILED = "connect_failed"
    CERTIFICATE_REFUSED = "certificate_refused"
    ABORTED = "aborted"
    ACCOUNT_REFUSED = "account_refused"
    REQUEST_REFUSED = "request_refused"
    DEVICE_REFUSED = "device_refused"
    THROTTLED = "throttled"
    TOO_BIG = "too_big"
    OUTCOME_UNKNOWN = "outcome_unknown"
    REPLY_LOST = "reply_lost"
    REPLY_UNREADABLE = "reply_unreadable"
    REPLY_TOO_LONG = "reply_too_long"
    REPLY_IMPLAUSIBLE = "reply_implausible"
    SERVER_FAILED = "server_failed"
    FAILURE_UNKNOWN = "failure_unknown"
    PROCESS_LOST = "process_lost"  # no answer of the gateway: the process ended before it stored one

    @property
    def shown(self) -> str:
        """As programs that read `--json` know it: `ReplyLost`."""
        return "".join(word.title() for word in self.split("_"))


FAILURE: Final = "failure"
"""Where among the evidence of a request its `FailureCode` stands."""

OPTED_OUT: Final = "opted out"
"""The reason of everybody who is suppressed; since when and why is in the list of suppressions."""


FIRING: Final = "%Y-%m-%dT%H:%M:%SZ"
"""How the moments of runs of campaigns that repeat are written; as texts they have the order of time."""


def as_moment(at: datetime) -> str:
    """The moment of the run of a campaign that repeats which fires at `at`."""
    return at.astimezone(UTC).strftime(FIRING)


def moment_of(name: str) -> datetime:
    """When a run of a campaign that repeats fires that has this moment."""
    return datetime.strptime(name, FIRING).replace(tzinfo=UTC)
