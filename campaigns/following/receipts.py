"""How receipts move a message: only up, whatever order they come in and however often.

A receipt is worth (the gateway's own retries, rank). The larger one stands, so merging receipts is taking a maximum:
any order and any repetition of the same receipts ends the same. A failed message that the gateway retries by itself
comes with a larger `retries`, which is the one way back.
"""

from typing import Final

from campaigns.lifecycle import RecipientState

RANKS: Final = {
    RecipientState.ACCEPTED: 0,
    RecipientState.EXPIRED: 1,
    RecipientState.SENT: 2,
    RecipientState.CANCELLED: 3,
    RecipientState.FAILED: 4,
    RecipientState.DELIVERED: 5,
}
"""What a state is worth among receipts of the same `retries`; states not named here take no receipts."""

RETRY_WEIGHT: Final = 10
"""One retry outweighs every rank, except that nothing outweighs `delivered`."""

MOST_RETRIES: Final = 1_000_000
"""A gateway's larger counts are taken for this: a column holds it, and it stays below `delivered`."""

DELIVERED_WORTH: Final = 1_000_000_000


def counted_retries(retries: int) -> int:
    """The gateway's own retries as they are compared and kept: at least 0, at most `MOST_RETRIES`."""
    return min(max(retries, 0), MOST_RETRIES)


def worth(state: RecipientState, retries: int) -> int:
    """The place of a receipt in the order; the larger one stands."""
    if state is RecipientState.DELIVERED:
        return DELIVERED_WORTH
    return counted_retries(retries) * RETRY_WEIGHT + RANKS[state]
