"""What a person may declare about texts if no read of the gateway proves whether they were sent."""

from enum import StrEnum


class Declared(StrEnum):
    """What a person found at the phone, or in the gateway's own list of messages."""

    SENT = "sent"  # held -> accepted, without a gateway ID: it is never sent again, and cannot be followed
    NOT_SENT = "not-sent"  # held -> pending: it is sent again

    @property
    def reason(self) -> str:
        """The reason that a recipient or batch has from then on."""
        return f"declared {self.value.replace('-', ' ')} by a person"
