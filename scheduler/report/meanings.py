"""The states of a recipient, in words for people."""

from collections.abc import Mapping
from typing import Final

from campaigns.lifecycle import RecipientState

MEANINGS: Final[Mapping[RecipientState, str]] = {
    RecipientState.PENDING: "not sent yet",
    RecipientState.IN_DOUBT: "being handed over, or being looked up because the gateway gave no clear answer",
    RecipientState.ACCEPTED: "handed over, no phone has sent it yet",
    RecipientState.SENT: "sent by the phone, no delivery report yet",
    RecipientState.DELIVERED: "arrived",
    RecipientState.FAILED: "could not be sent",
    RecipientState.HELD: "a person has to decide",
    RecipientState.EXPIRED: "no phone sent it in time",
    RecipientState.CANCELLED: "cancelled before it was sent",
    RecipientState.SKIPPED: "its moment was missed, or it has no date",
    RecipientState.INVALID: "no text can be sent to this row",
    RecipientState.DUPLICATE: "the number is already in the audience",
    RecipientState.SUPPRESSED: "opted out",
    RecipientState.EXCLUDED: "excluded by the campaign",
    RecipientState.CAPPED: "already got enough texts lately",
    RecipientState.HOLDOUT: "control group",
}
"""One line for every state that a recipient can be in."""
