"""What a reply may mean. Apart from what reads one, whose patterns take 10 ms to make."""

from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What a reply asks for."""

    STOP = "stop"  # no more texts
    START = "start"  # texts again after a stop
    HELP = "help"  # who is this, and what can I do
    REVIEW = "review"  # perhaps a stop: a person decides
    REPLY = "reply"  # anything else


ANSWERS: Final = frozenset({Meaning.REVIEW, Meaning.REPLY})
"""Replies in which people say something of their own. The others are keywords, which ask for something and say nothing
of the text: a text that makes many people write STOP has no success.
"""


MOST_JUDGED: Final = 2_000
"""How many characters of a reply are read: a text of 13 parts. Folding 300,000 of one Arabic ligature took 13 s."""
