"""Why somebody cannot be erased yet."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Unsettled(StrEnum):
    """What has to end before the traces of a person can go: until then the service needs number and text."""

    IN_DOUBT = "in_doubt"
    HELD = "held"
    FOLLOWED = "followed"
    WATCHED = "watched"
    PLANNING = "planning"
    REPLY = "reply"
    CONTACT_LIST = "contact_list"


UNSETTLED: Final[Mapping[Unsettled, str]] = {
    Unsettled.IN_DOUBT: "a request with a text to them is under way, or is being looked up",
    Unsettled.HELD: "a text to them is held: decide with campaigns resolve",
    Unsettled.FOLLOWED: "receipts for a text to them are still waited for",
    Unsettled.WATCHED: "a text to them that was concluded as not sent is watched for a day",
    Unsettled.PLANNING: "a campaign with them is being planned",
    Unsettled.REPLY: "a reply of theirs may mean stop, and waits to be read: campaigns suppress review",
    Unsettled.CONTACT_LIST: "they are being taken off a contact list of the gateway",
}
