"""What the words mean that people read: states, kinds of replies, the field's own words. One table for every page."""

from collections.abc import Iterable, Mapping
from typing import Final

from campaigns.display import state_words
from campaigns.lifecycle import RecipientState, RunState
from campaigns.optout import Meaning

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

RUN_MEANINGS: Final[Mapping[RunState, str]] = {
    RunState.SCHEDULED: "waits for its start, or is being planned",
    RunState.AWAITING_APPROVAL: "nothing is sent until somebody approves its plan",
    RunState.RUNNING: "its texts are being sent",
    RunState.PAUSED: "nothing more is sent until somebody resumes it",
    RunState.SETTLING: "everything is handed over, and reports of the phones, or its steps, are still to come",
    RunState.COMPLETED: "over: what became of everybody is known",
    RunState.CANCELLED: "stopped for good: what was not handed over is never sent",
    RunState.FAILED: "could not be planned, so nothing was sent",
}
"""One line for every state of a campaign."""

REPLY_MEANINGS: Final[Mapping[Meaning, str]] = {
    Meaning.STOP: "asks for no more texts, and gets none",
    Meaning.START: "asks for texts again",
    Meaning.HELP: "asks who this is, by the word HELP",
    Meaning.REVIEW: "may mean stop: a person has to read it",
    Meaning.REPLY: "anything else",
}
"""One line for every kind of reply."""

TERMS: Final[Mapping[str, str]] = {
    # figures of a phone; a recipient's states have the same names, and are less
    "Sent": "texts that a phone has sent, those that arrived and those without a delivery report",
    "Failed": "texts that a phone could not send",
    "audience": "everybody in its tables, with those who get nothing",
    "control group": "people who get nothing, so that the others can be compared with them",
    "forecast": "when each text would leave if nothing held it up",
    "GSM-7": "the alphabet of ordinary texts: 160 characters fit into one segment, or 153 into each of several",
    "handed over": "the gateway has taken the text; a phone sends it next",
    "message": "one text to one person, as the gateway and the phone list it",
    "rate": "how many segments may leave in a second, a minute or an hour",
    "request": "one call to the gateway, which hands over the texts of some people at once",
    "run": "one time that a campaign is sent; one that repeats has many",
    "segment": "the unit in which texts are paid and limits are counted: a long text takes several",
    "SIM slot": "which of the SIM cards of a phone, counted from 0",
    "stuck": "the phone takes texts and sends none: see whether it is on and has a network",
    "UCS-2": "the alphabet of a text with any other character, such as an emoji: 70 fit into one segment, or 67 into "
    "each of several",
    "variant": "one of several texts of a campaign, each for a share of its people",
    "waiting": "texts that a phone has taken and not sent yet",
    "weight": "a campaign with twice the weight of another one gets twice its share of the common limits",
    "window": "the hours in which its texts may be sent",
}
"""The field's words, for people who meet them first on a page."""


def explained(words: Iterable[str]) -> list[tuple[str, str]]:
    """Return words with what they mean: members of the tables' types, terms, and values of `RecipientState`."""
    return [(_shown(word), _meaning(word)) for word in words]


_OF_PEOPLE: Final = frozenset(state.value for state in RecipientState)


def _shown(word: str) -> str:
    said = state_words(str(getattr(word, "value", word)))
    return f"{said} (campaign)" if isinstance(word, RunState) and said in _OF_PEOPLE else said


def _meaning(word: str) -> str:
    match word:
        case RunState():
            return RUN_MEANINGS[word]
        case Meaning():
            return REPLY_MEANINGS[word]
        case RecipientState():
            return MEANINGS[word]
        case _:
            return TERMS[word] if word in TERMS else MEANINGS[RecipientState(word)]
