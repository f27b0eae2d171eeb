"""Codes that are stored and that decisions depend on, and the sentences that people are shown for them.

Values are stored, not names: a member's name or sentence may change, its value stays.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


class RunType(StrEnum):
    """How a run came about. Within its campaign, a run is identified by its moment."""

    ONCE = "once"  # of a campaign that runs once
    FIRING = "firing"  # one moment of a campaign that repeats
    REMINDER_DAY = "reminder_day"  # one day of a campaign that reminds
    STEP = "step"  # a later text to the people of another run
    RESEND = "resend"  # resends the failed texts of another run
    TEST = "test"  # `campaigns test`
    HELP = "help"  # one day of answers to HELP
    MESSAGE = "message"  # one day of single texts that programs asked for


MADE_BY_FILES: Final = frozenset({RunType.ONCE, RunType.FIRING, RunType.REMINDER_DAY})
"""Runs that come from a campaign file. Each file makes one type."""

OF_SINGLE_TEXTS: Final = frozenset({RunType.HELP, RunType.MESSAGE})
"""Runs whose texts have nothing to do with each other: what is wrong with one of them must stop no other."""

DAYS: Final = frozenset({RunType.REMINDER_DAY, RunType.HELP, RunType.MESSAGE})
"""Runs whose moment is a day (`2026-12-05`). People are added to them during that day."""


SINGLE_TEXTS: Final = frozenset({RunType.HELP, RunType.MESSAGE})
"""Days of texts that each go for a reason of their own: a run that starts and ends with each of them is no news."""


class WaitsFor(StrEnum):
    """What a planned or queued batch waits for, apart from its own moment."""

    NOTHING = ""
    THROTTLE = "throttle"  # it had its turn and got no slot: it takes the next one and is not counted again
    BUDGET = "budget"  # the end of a budget's period; any job it still has does nothing
    PRICE = "price"  # a price for somebody in it, because a budget of money is in force
    WINDOW = "window"  # its sending hours
    DOUBT = "doubt"  # the account's requests in doubt, which are looked up first
    NUMBER = "number"  # its people's numbers, which are in doubt in other requests
    CAP = "cap"  # the end of the frequency cap of everybody in it
    CAP_PASSED = "cap_passed"  # people who just reached the cap have to be left out
    OPT_OUTS = "opt_outs"  # people have to be removed from its contact list first
    BACK_OFF = "back_off"  # the pause after a request that failed
    RETRY = "retry"  # some of its people were in a request before, and are tried again


WAITING: Final[Mapping[WaitsFor, str]] = {
    WaitsFor.THROTTLE: "waiting for the throttle",
    WaitsFor.BUDGET: "the budget of the day or month is spent",
    WaitsFor.PRICE: "a budget of money is in force, and the price of a text is not known (CAMPAIGNS_PRICES)",
    WaitsFor.WINDOW: "outside the window",
    WaitsFor.DOUBT: "too many requests in doubt",
    WaitsFor.NUMBER: "numbers in doubt elsewhere",
    WaitsFor.CAP: "waits for its frequency cap",
    WaitsFor.CAP_PASSED: "the frequency cap was reached just now",
    WaitsFor.OPT_OUTS: "people who opted out are taken off the contact list first",
}
"""What is shown for a batch that has no reason of its own."""


class PausedBy(StrEnum):
    """Who or what paused an account or a run."""

    NOBODY = ""
    PERSON = "person"
    GATEWAY = "gateway"  # it cannot be reached or read, or refuses
    ALARM = "alarm"  # something that must never happen, or too much of something that may: a person has to look
    QUARANTINE = "quarantine"  # the database forgot what was sent: ends with `campaigns recover`
    NEW_GATEWAY = "new_gateway"  # not the gateway that the account's IDs come from
    RELOCATION = "relocation"  # a move to another database: only the end of the move ends it
    BUDGET = "budget"  # all the money that a campaign may cost is spent, or a text costs more than a whole day may


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
"""What is shown for a pause that has no reason of its own."""


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
    PROCESS_LOST = "process_lost"  # not an answer of the gateway: the process ended before it stored one

    @property
    def shown(self) -> str:
        """The name in `--json`: `ReplyLost`."""
        return "".join(word.title() for word in self.split("_"))


FAILURE: Final = "failure"
"""The key of the `FailureCode` in the evidence of a request."""

OPTED_OUT: Final = "opted out"
"""The reason for everybody who is suppressed. The list of suppressions has the time and the cause."""


FIRING: Final = "%Y-%m-%dT%H:%M:%SZ"
"""How the moments of repeated runs are written. Sorted as texts, they are in order of time."""


def as_moment(at: datetime) -> str:
    """Return the moment of a repeated run that fires at `at`."""
    return at.astimezone(UTC).strftime(FIRING)


def moment_of(name: str) -> datetime:
    """Return when a repeated run with this moment fires."""
    return datetime.strptime(name, FIRING).replace(tzinfo=UTC)


def step_moment(of_run: str, step: str) -> str:
    """Return the moment of the run of a step, by that of the run that it belongs to."""
    return f"{of_run}/{step}"


def step_of(moment: str) -> tuple[str, str]:
    """Return the moment of the run that a step belongs to, and the step's name."""
    of_run, _, step = moment.rpartition("/")
    return of_run, step


def root_fires_at(moment: str) -> datetime | None:
    """Return when the run fires that the step with this moment belongs to; None: its campaign runs once."""
    try:
        return moment_of(step_of(moment)[0])
    except ValueError:
        return None
