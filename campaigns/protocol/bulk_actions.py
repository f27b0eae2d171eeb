"""What can be done for many people of a run at once, and why it is not done for some of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from campaigns.protocol.declarations import Declared


class ResendOnly(StrEnum):
    """Whose texts `resend` sends again."""

    FAILED = "failed"  # of whom it is proven that they did not get it
    NO_REPLY = "no-reply"  # who have it, and did not reply


class BulkAction(StrEnum):
    """What is done for everybody whom a filter matches."""

    RESEND = "resend"
    SENT = "sent"  # those who are held got their text
    NOT_SENT = "not-sent"  # they did not, and are sent to again
    OPT_OUT = "opt-out"


DECLARED: Final[Mapping[BulkAction, Declared]] = {
    BulkAction.SENT: Declared.SENT,
    BulkAction.NOT_SENT: Declared.NOT_SENT,
}


class Cause(StrEnum):
    """Why it is done for somebody, or not."""

    DONE = "done"
    NOT_FAILED = "not_failed"
    ERASED = "erased"
    DUPLICATE = "duplicate"
    SENT_AGAIN = "sent_again"
    RETRY_WAITS = "retry_waits"
    NOT_PROVEN = "not_proven"
    OPTED_OUT = "opted_out"
    NOT_HELD = "not_held"
    NO_NUMBER = "no_number"
    REPLIED = "replied"
    LATER_TEXT = "later_text"


WHY: Final[Mapping[Cause, str]] = {
    Cause.NOT_FAILED: "their text has not failed",
    Cause.ERASED: "their text was erased",
    Cause.DUPLICATE: "the number is in the audience more than once",
    Cause.SENT_AGAIN: "a later run has sent to them again",
    Cause.RETRY_WAITS: "they are sent to again automatically",
    Cause.NOT_PROVEN: "their text may have been sent: nothing proves that it was not",
    Cause.OPTED_OUT: "they have opted out",
    Cause.NOT_HELD: "they are not held",
    Cause.NO_NUMBER: "the row has no phone number",
    Cause.REPLIED: "they replied",
    Cause.LATER_TEXT: "they have a later text of the campaign, or wait for one",
}
"""What people are shown for everybody who is left out."""

SENTENCES: Final[Mapping[BulkAction, str]] = {
    BulkAction.RESEND: "would be sent to again",
    BulkAction.SENT: "would count as sent, and get this text no more",
    BulkAction.NOT_SENT: "would be sent to again; anyone who did get the text gets it twice",
    BulkAction.OPT_OUT: "would get nothing more, from any campaign",
}
