"""The answer to HELP: a campaign of its own, made from a setting and the people who asked."""

from datetime import timedelta
from typing import Final

from campaigns.definition import Definition, Follow, InlineSource, Kind, Schedule
from campaigns.definition.schedule import IfLate

HELP_ANSWERS: Final = "help-answers"
"""The campaign under which the answers are sent, counted and reported. No file may use this name."""

ONCE_IN: Final = timedelta(hours=24)
"""One person gets one answer in this time, however often they ask. Otherwise two machines that answer each other would
never stop."""

FRESH_FOR: Final = timedelta(hours=24)
"""People who asked longer ago get no answer: a phone that was offline delivers old messages."""

FOLLOWED_FOR: Final = timedelta(hours=24)
"""How long to wait for the receipts of answers."""


def help_answers(text: str, timezone: str) -> Definition:
    """Return the campaign as a file would describe it. It has no people: those who ask are added one by one."""
    return Definition(
        campaign=HELP_ANSWERS,
        description="Answers to people who wrote HELP",
        kind=Kind.TRANSACTIONAL,
        message=text,
        audience=(InlineSource(recipients=({"number": "of anyone who wrote HELP"},)),),
        schedule=Schedule(timezone=timezone, if_late=IfLate(within=FRESH_FOR)),
        follow=Follow(until=FOLLOWED_FOR),
    )
