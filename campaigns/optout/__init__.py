"""What a person means who answers: stop, start again, help, or something that a person has to read."""

from campaigns.optout.meaning import Meaning, Meanings
from campaigns.optout.words import LANGUAGES, Words

__all__ = ["LANGUAGES", "Meaning", "Meanings", "Words"]
