"""What cannot be done: one sentence for people, and a code for programs."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why something was refused, for whatever decides by it: an exit code, an HTTP status, a test."""

    NOTHING_YET = "nothing_yet"  # the database has no campaigns, or there is none
    UNKNOWN_CAMPAIGN = "unknown_campaign"
    UNKNOWN_RUN = "unknown_run"
    UNKNOWN_REPLY = "unknown_reply"
    UNKNOWN_ACCOUNT = "unknown_account"  # of several, or of none, it is not said which
    WRONG_STATE = "wrong_state"  # it is over, or already so
    OTHER_PLAN = "other_plan"  # what was looked at is not what would be sent
    ACCOUNT_STOPPED = "account_stopped"
    OPTED_OUT = "opted_out"
    INVALID = "invalid"  # a value that cannot be used


class Refused(Exception):
    """It cannot be done; the message is one sentence with what to do instead.

    `field` is the value that is wrong, as `throttle` calls it: `rate`; empty where it is none of them.
    """

    def __init__(self, code: Refusal, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field
