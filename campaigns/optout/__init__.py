"""What a reply means: stop, start again, help, or something that a person has to read."""

from campaigns.optout.meaning import MOST_JUDGED, Meaning, Meanings
from campaigns.optout.words import LANGUAGES, Words

__all__ = ["LANGUAGES", "MOST_JUDGED", "Meaning", "Meanings", "Words"]
