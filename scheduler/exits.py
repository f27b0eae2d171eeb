"""The exit codes of every command, as users' scripts know them."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process reports to its caller."""

    DONE = 0
    INTERNAL_ERROR = 1
    BAD_INPUT = 2
    UNHAPPY = 3  # finished, but recipients failed, expired or are held, nobody was sent to; audit or promise is broken
    STOPPED = 4  # by the account or the gateway
    INTERRUPTED = 130
