"""What a reply means: stop, start again, help, or something that a person has to read (`meaning`)."""

from campaigns.optout.results import ANSWERS, MOST_JUDGED, Meaning

__all__ = ["ANSWERS", "MOST_JUDGED", "Meaning"]
