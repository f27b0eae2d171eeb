"""What cannot be done: one sentence for people, and a code for programs."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why something was refused, for anything that decides by it: an exit code, an HTTP status, a test."""

    NOTHING_YET = "nothing_yet"  # the database has no campaigns, or there is no database
    UNKNOWN_CAMPAIGN = "unknown_campaign"
    UNKNOWN_RUN = "unknown_run"
    UNKNOWN_REPLY = "unknown_reply"
    UNKNOWN_CALL = "unknown_call"
    UNKNOWN_MESSAGE = "unknown_message"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105  a code, not a secret
    UNKNOWN_ACCOUNT = "unknown_account"  # it is not clear which account is meant: there are several, or none
    WRONG_STATE = "wrong_state"  # it is over, or already in that state
    OTHER_PLAN = "other_plan"  # the plan that was looked at is not the one that would be sent
    ACCOUNT_STOPPED = "account_stopped"
    OPTED_OUT = "opted_out"
    ANSWERED = "answered"  # somebody has answered this reply, and the caller has not seen it
    FOUR_EYES = "four_eyes"  # whoever submitted something may not approve it
    INVALID = "invalid"  # a value that cannot be used
    KEY_REUSED = "key_reused"  # the key of a call, or of a single text, was used for another one
    UNDER_WAY = "under_way"  # the same is being done by another call
    FORBIDDEN = "forbidden"  # the operator's rules do not allow it
    QUOTA_SPENT = "quota_spent"  # the token has sent to as many people today as it may


class Refused(Exception):
    """It cannot be done; the message is one sentence with what to do instead.

    `field` names the wrong value as `throttle` calls it, such as `rate`; empty if it is none of them.
    `command`: what to do about it on the command line. Only the command line shows it.
    """

    def __init__(self, code: Refusal, sentence: str, *, field: str = "", command: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field
        self.command = command
