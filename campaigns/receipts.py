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

DELIVERED_WORTH: Final = 1_000_000_000


def worth(state: RecipientState, retries: int) -> int:
    """The place of a receipt in the order; the larger one stands. Retries past a million count as a million."""
    if state is RecipientState.DELIVERED:
        return DELIVERED_WORTH
    return min(retries, 1_000_000) * RETRY_WEIGHT + RANKS[state]
