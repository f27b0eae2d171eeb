"""The exit codes of every command, as users' scripts know them."""

from enum import IntEnum


class Exit(IntEnum):
    """What the process reports to its caller."""

    DONE = 0
    INTERNAL_ERROR = 1
    BAD_INPUT = 2
    UNHAPPY = 3  # finished, but some recipients failed, expired or are held, or there was nobody to send to
    STOPPED = 4  # by the account or the gateway
    INTERRUPTED = 130
