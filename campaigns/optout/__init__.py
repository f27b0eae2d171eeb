"""What a reply means: stop, start again, help, or something that a person has to read."""

from campaigns.optout.meaning import ANSWERS, MOST_JUDGED, Meaning, Meanings
from campaigns.optout.words import LANGUAGES, Words

__all__ = ["ANSWERS", "LANGUAGES", "MOST_JUDGED", "Meaning", "Meanings", "Words"]
