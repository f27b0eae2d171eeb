"""How receipts move a message: only up, in whatever order they come and however often.

A receipt's worth is (the gateway's own retries, rank). The larger one wins, so merging receipts means taking a maximum:
the same receipts in any order, with any repetition, give the same result. A failed message that the gateway retries
by itself has a larger `retries`, which is the only way back.
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
"""The rank of a state among receipts with the same `retries`. States not named here accept no receipts."""

RETRY_WEIGHT: Final = 10
"""One retry outweighs every rank, except that nothing outweighs `delivered`."""

MOST_RETRIES: Final = 1_000_000
"""Larger counts are reduced to this: it fits a column, and stays below `delivered`."""

DELIVERED_WORTH: Final = 1_000_000_000


def counted_retries(retries: int) -> int:
    """Return the gateway's own retries as they are compared and stored: 0 to `MOST_RETRIES`."""
    return min(max(retries, 0), MOST_RETRIES)


def worth(state: RecipientState, retries: int) -> int:
    """Return the worth of a receipt. The larger one wins."""
    if state is RecipientState.DELIVERED:
        return DELIVERED_WORTH
    return counted_retries(retries) * RETRY_WEIGHT + RANKS[state]
